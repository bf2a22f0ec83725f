"""A fork of the warm template against a real interpreter: the same small programs under both, and nothing may differ.

What does differ on purpose: `sys.modules` holds more, the parent is the template, and the process leads a group of its
own. Here: what is left to the real interpreter.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.faithful.programs import (
    REALLY,
    SHOW,
    WHO,
    assert_same,
    script,
)
from tests.integration.faithful.template import (
    CLEAN,
    REAL,
    Template,
    run,
    template,
)


@pytest.mark.parametrize("flags", [["-O"], ["-X", "dev"], ["-I"], ["-B"], ["-uO"], ["-q", "-b"]])
def test_flags_that_a_fork_cannot_have_are_left_to_the_real_interpreter(warm: Template, flags: list[str]) -> None:
    assert warm.launch(*flags, "-c", WHO).out == REALLY


def test_whatever_is_not_rays_or_daybreaks_gets_the_real_interpreter_and_nobody_is_told(
    warm: Template, tmp_path: Path
) -> None:
    path = script(tmp_path, WHO)
    script(warm.home, WHO, "folder/__main__.py")
    plain = script(warm.home, WHO, "without_suffix")
    before = warm.order()["forks"], warm.fallbacks()
    for what in (["-c", WHO], [path], ["prog.py"], ["-m", "prog"], [str(warm.home / "folder")], [plain]):
        assert run([warm.launcher, *what], cwd=tmp_path).out == REALLY
    for argv in ([], ["-"]):
        assert run([warm.launcher, *argv], given=WHO.encode()).out == REALLY
    tracker = "from multiprocessing.resource_tracker import main;main(0)"
    servers = "from multiprocessing.forkserver import main; main(0, 0, ['ray', 'own.dashboard.'])"
    for argv in (["-V"], ["-m", "venv", "--help"], ["/nothing.py"], ["-c"], ["-m"], ["-c", tracker], ["-c", servers]):
        assert run([warm.launcher, *argv]) == run([REAL, *argv])
    assert (warm.order()["forks"], warm.fallbacks()) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LD_PRELOAD", "libc.so.6"),
        ("PYTHONHASHSEED", "7"),
        ("PYTHONOPTIMIZE", "1"),
        ("PYTHONIOENCODING", "latin-1"),
        ("LC_ALL", "C"),
        ("MALLOC_ARENA_MAX", "1"),
        ("OMP_PROC_BIND", "true"),
        ("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python"),
    ],
)
def test_variables_that_are_read_once_are_refused(warm: Template, name: str, value: str) -> None:
    before = warm.fallbacks()
    env = CLEAN | {name: value}
    assert_same(warm.launch("-c", SHOW, env=env), warm.real("-c", SHOW, env=env))
    assert warm.fallbacks() == [*before, f"its environment differs in {name}"]


def test_what_a_module_has_read_when_it_was_imported_is_refused(tmp_path: Path) -> None:
    """Of a library that Ray needs, and of one of the user's; what a module has set is there as ever."""
    text = "import os\nMODE = os.environ.get('MODE', 'plain')\nos.environ.setdefault('MODE_IS_SET', MODE)"
    script(tmp_path, text, "reads_mode.py")
    code = "import os, prometheus_client, reads_mode, prometheus_client.values as v\n"
    code += "print(reads_mode.MODE, os.environ['MODE_IS_SET'], v.ValueClass.__name__, os.environ.get('OTHER'))"
    base = CLEAN | {"PYTHONPATH": str(tmp_path), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    with template("reads_mode", env=base) as made:
        assert made.same("-c", code, env=base).out == b"plain plain MmapedValue None\n"
        made.same("-c", code, env={**base, "OTHER": "x"})
        (tmp_path / "other").mkdir()
        changes = [("MODE", "fast"), ("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "other")), ("MODE_IS_SET", "own")]
        for name, value in changes:
            changed = base | {name: value}
            assert made.launch("-c", code, env=changed) == made.real("-c", code, env=changed)
            assert made.fallbacks()[-1] == f"its environment differs in {name}"


@pytest.mark.parametrize("lang", [None, "C", "POSIX"])
def test_the_locale_is_found_anew_by_the_real_interpreter(warm: Template, lang: str | None) -> None:
    env = {name: value for name, value in CLEAN.items() if name != "LANG"} | ({"LANG": lang} if lang else {})
    forked = warm.launch("-c", SHOW, env=env)
    assert_same(forked, warm.real("-c", SHOW, env=env))
    assert "its environment differs in LANG" in warm.fallbacks()[-1]


def test_customizing_modules_are_refused(warm: Template, tmp_path: Path) -> None:
    script(tmp_path, "print('customized')", "sitecustomize.py")
    env = CLEAN | {"PYTHONPATH": str(tmp_path)}
    assert warm.launch("-c", "print(1)", env=env).out == b"customized\n1\n"
    assert warm.fallbacks()[-1] == "PYTHONPATH holds sitecustomize"


def test_a_deleted_folder_is_left_to_the_real_interpreter(warm: Template, tmp_path: Path) -> None:
    prepare = f"os.mkdir({str(tmp_path / 'x')!r}); os.chdir({str(tmp_path / 'x')!r}); os.rmdir('.')"
    prepare = prepare.replace("os.rmdir('.')", f"os.rmdir({str(tmp_path / 'x')!r})")
    assert warm.launch("-c", "print(1)", prepare=prepare) == warm.real("-c", "print(1)", prepare=prepare)
    assert warm.fallbacks()[-1].startswith("it cannot be described")


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        ("resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))", "its limits of memory differ"),
        ("resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 22))", "its limits of memory differ"),
        ("import ctypes; ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)", "its NoNewPrivs differs"),
        ("os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))", "its scheduling differs"),
        ("os.environb; import ctypes; ctypes.CDLL(None).unshare(0x4000000)", "its uts namespace differs"),
        ("os.setgroups([1, 2])", "its Groups differs"),
    ],
)
def test_what_cannot_be_taken_over_is_left_to_the_real_interpreter(warm: Template, prepare: str, why: str) -> None:
    if os.geteuid() != 0 and ("unshare" in prepare or "setgroups" in prepare):
        pytest.skip("only root may")
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_AS), open('/proc/self/status').read()[:0])"
    assert warm.launch("-c", code, prepare=prepare) == warm.real("-c", code, prepare=prepare)
    assert warm.fallbacks()[-1] == why
