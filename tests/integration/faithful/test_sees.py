"""A fork of the warm template against a real interpreter: the same small programs under both, and nothing may differ.

What does differ on purpose: `sys.modules` holds more, the parent is the template, and the process leads a group of its
own. Here: what a program finds.
"""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from tests.integration.faithful.programs import (
    SHOW,
    WAIT,
    assert_same,
    script,
)
from tests.integration.faithful.template import (
    CLEAN,
    REAL,
    Ran,
    Template,
    line,
    run,
    template,
)


@pytest.mark.parametrize("flags", [[], ["-u"]])
@pytest.mark.parametrize("kind", ["script", "module"])
def test_a_program_finds_what_it_would_find_in_a_process_of_its_own(
    warm: Template, tmp_path: Path, kind: str, flags: list[str]
) -> None:
    path = script(warm.home, SHOW)
    script(tmp_path, "", "ray/__init__.py")
    script(tmp_path, SHOW, "ray/prog.py")
    what = [path] if kind == "script" else ["-m", "ray.prog"]
    assert_same(*warm.both(*flags, *what, "an argument", "-x", "", "--", "-c", "ü", cwd=tmp_path))


def test_a_flag_that_the_environment_says_too_is_no_reason_for_a_cold_start(tmp_path: Path) -> None:
    """multiprocessing hands `-B` to its servers, Ray's dashboard among them, where the variable is set."""
    env = {**CLEAN, "PYTHONDONTWRITEBYTECODE": "1"}
    show = "import json, sys; print(json.dumps([sys.flags.dont_write_bytecode, sys.orig_argv[1:]]))"
    with template(env=env) as own:
        assert own.both("-B", "-c", show, env=env)[0] == own.real("-B", "-c", show, env=env)
        assert own.launch("-B", "-u", "-c", show, env=env).value[0] == 1
        before = own.order()["forks"]
        assert own.launch("-B", "-c", show, env=CLEAN).value[0] == 1
        assert own.order()["forks"] == before


@pytest.mark.parametrize(
    "prepare",
    [
        "os.umask(0o077)",
        "os.chdir('/')",
        "os.nice(5)",
        "os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])",
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMIN + 3])",
        "for n in (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGTERM, 40): signal.signal(n, signal.SIG_IGN)",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 400))",
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 1 << 20)); resource.setrlimit(resource.RLIMIT_CPU, (50, 60))",
        "open('/proc/self/oom_score_adj', 'w').write('77')",
        "os.setsid()",
        "os.environ.clear()",
        "os.environ['TZ'] = 'Asia/Kolkata'",
        "os.environ['PYTHONPATH'] = '/a:relative::/usr/lib:/a:' + sys.path[1]",
        "os.environ['PYTHONUNBUFFERED'] = '1'",
        "os.environb[b'X\\xff\\xfe'] = b'\\xe4=\\n\\x01'",
        "os.environ.update({f'V{n}': 'x' * n for n in range(2000)})",
        "signal.setitimer(signal.ITIMER_REAL, 1000); signal.signal(signal.SIGPIPE, signal.SIG_DFL)",
    ],
)
def test_what_its_starter_set_holds_for_the_program(warm: Template, tmp_path: Path, prepare: str) -> None:
    path = script(warm.home, SHOW)
    if prepare == "os.environ.clear()":
        # What modules have read when they were imported must be as the template has it.
        read = sorted(warm.order()["variables"])
        prepare = f"kept = {{n: os.environ[n] for n in {read} if n in os.environ}}; {prepare}; os.environ.update(kept)"
    forked, real = warm.both(path, prepare=prepare, cwd=tmp_path)
    if "setitimer" in prepare:  # it runs on in the launcher, which hands the signal over
        forked = Ran(forked.code, json.dumps(forked.value | {"timer": real.value["timer"]}).encode(), forked.err)
    assert_same(forked, real)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_streams_are_closed(warm: Template, tmp_path: Path, closed: tuple[int, ...]) -> None:
    found = []
    for way, program in (("fork", warm.launcher), ("real", REAL)):
        seen = tmp_path / way
        prepare = "; ".join(f"os.close({fd})" for fd in closed)
        argv = [program, *warm.argv("-c", SHOW), "x"]
        before = warm.order()["forks"]
        assert run(argv, prepare=prepare, env=CLEAN | {"SEEN": str(seen)}).code == 0
        assert (warm.order()["forks"] > before) == (way == "fork")
        found.append(Ran(0, seen.read_text().replace(str(seen), "").encode(), b""))
    assert_same(*found)


def test_a_title_of_the_programs_own_is_shown(warm: Template) -> None:
    """One line, as Ray's own titles are: the arguments are told apart where none holds a space."""
    code = "import os,sys; print(open('/proc/self/cmdline').read())"
    path = script(warm.home, code)
    forked = warm.run(path, "--name=value", "x")
    # Blanks fill the place which the template's arguments had: how many depends on the folder of this clone.
    shown = forked.out.decode().rstrip("\n").rstrip("\0").rstrip(" ")
    assert shown == " ".join([REAL, path, "--name=value", "x"])
    process = warm.popen(path := script(warm.home, WAIT), "--name=value", "x" * 5000)
    assert line(process) == b"up"
    [child] = psutil.Process(warm.pid).children()
    words = [word for part in child.cmdline() for word in part.split(" ") if word]
    assert words[:3] == [REAL, path, "--name=value"]
    assert child.name() == Path(REAL).name
    process.terminate()
    process.communicate()


def test_groups_and_sessions_are_led_as_the_launcher_led_them(warm: Template) -> None:
    code = "import os; print(os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid())"
    assert warm.run("-c", code, prepare="os.setsid()").out == b"True True\n"
    assert warm.run("-c", code, prepare="os.setpgid(0, 0)").out == b"False True\n"
    # A group of its own all the same: a signal to it must not reach the template.
    assert warm.run("-c", code).out == b"False True\n"


def test_hundreds_of_files_are_handed_over(warm: Template) -> None:
    prepare = """
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for n in range(300):
    a, b = os.pipe()
    os.write(b, b'%d' % n)
    for fd in (a, b): os.set_inheritable(fd, n % 7 != 0)
os.dup2(a, 1000)
"""
    code = """
import os
fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
print(fds)
for fd in fds[3:-1]:
    try:
        os.set_blocking(fd, False)
        print(fd, os.fstat(fd).st_mode, os.get_inheritable(fd), os.read(fd, 100))
    except OSError as error:
        print(fd, error)
"""
    assert warm.same("-c", code, prepare=prepare, pass_fds=()).out.count(b"True") > 200


def test_files_beyond_the_templates_limit_are_handed_over_or_left_to_the_real_interpreter(warm: Template) -> None:
    prepare = "os.dup2(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1)"
    code = "import os; print(len(os.listdir('/proc/self/fd')))"
    assert warm.launch("-c", code, prepare=prepare).out == b"5\n"
