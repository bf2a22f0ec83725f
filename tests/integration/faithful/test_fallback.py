"""The warm template in trouble: gone, stopped, killed, without its socket, on a full disk."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.integration.faithful.programs import (
    FORK,
    REALLY,
    WAIT,
    WHO,
    list_files,
    script,
)
from tests.integration.faithful.template import (
    CLEAN,
    DEADLINE_S,
    Ran,
    Template,
    gone,
    line,
    state_of,
    template,
    until,
)

WAITS_TO_GO = "import os, time\nwhile not os.path.exists({go!r}): time.sleep(0.001)\n"


@pytest.fixture
def own() -> Iterator[Template]:
    """A template that the test may spoil."""
    with template() as made:
        yield made


@pytest.fixture(params=["shell", "interpreter"])
def lone(request: pytest.FixtureRequest) -> Iterator[Template]:
    """As `own`, in turn with both that a launcher can become while it stands in."""
    with template(shell=None if request.param == "shell" else "") as made:
        yield made


def test_a_template_that_is_gone_is_done_without(own: Template) -> None:
    own.end()
    assert own.launch("-c", WHO).out == REALLY
    assert own.fallbacks() == ["no template is running"]
    own.start()
    own.end(signal.SIGKILL)
    assert (own.folder / "template.socket").exists()
    assert own.launch("-c", WHO).out == REALLY
    assert own.fallbacks() == ["no template is running"] * 2
    own.start()
    assert own.run("-c", WHO).out == FORK


def test_a_template_that_does_not_answer_is_done_without(own: Template, tmp_path: Path) -> None:
    assert own.process
    own.process.send_signal(signal.SIGSTOP)
    until(lambda: state_of(own.pid) == "T", "stopped template")
    # Not into a pipe: its other end lies with the template until that goes on.
    with open(tmp_path / "out", "wb") as out:
        argv = [own.impatient(), *own.argv("-c", WHO + "; print('once')")]
        subprocess.run(argv, stdout=out, env=CLEAN, timeout=DEADLINE_S, check=True)
    assert (tmp_path / "out").read_bytes() == REALLY + b"once\n"
    assert own.fallbacks() == ["the template does not answer"]
    own.process.send_signal(signal.SIGCONT)
    assert own.order()["forks"] == 0  # nothing runs twice


def test_a_template_killed_while_it_is_asked_is_done_without(own: Template) -> None:
    assert own.process
    own.process.send_signal(signal.SIGSTOP)
    until(lambda: state_of(own.pid) == "T", "stopped template")
    with own.popen("-c", WHO) as process:
        until(lambda: "socket" in str(list_files(process.pid)), "asking launcher")
        own.end(signal.SIGKILL)
        assert process.communicate(timeout=DEADLINE_S) == (REALLY, b"")
    assert len(own.fallbacks()) == 1


@pytest.mark.parametrize(("last", "code"), [("pass", 0), ("sys.exit(9)", 9), ("1 / 0", 1), ("sys.exit('x')", 1)])
def test_a_program_outlives_its_template(lone: Template, last: str, code: int) -> None:
    text = f"import sys; print('up', flush=True); print(sys.stdin.read()); {last}"
    with lone.popen("-c", text) as process:
        assert line(process) == b"up"
        lone.end(signal.SIGKILL)
        out, _ = process.communicate(b"still here", timeout=DEADLINE_S)
    assert (out, process.returncode) == (b"still here\n", code)
    assert list(lone.folder.glob("exit-*")) == []


def test_a_signal_reaches_a_program_whose_template_is_gone(lone: Template) -> None:
    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(6)); print('up', flush=True); signal.pause()"
    with lone.popen("-c", code) as process:
        assert line(process) == b"up"
        lone.end(signal.SIGKILL)
        process.terminate()
    assert process.returncode == 6


def test_the_next_template_looks_after_what_an_earlier_one_left(lone: Template) -> None:
    first, second = lone.popen("-c", WAIT), lone.popen("-c", WAIT)
    forks = []
    for process in (first, second):
        assert line(process) == b"up"
    by_launcher = {int((lone.folder / f"forks/{pid}").read_text().split("\n")[1]): pid for pid in lone.forks()}
    forks = [by_launcher[process.pid] for process in (first, second)]
    lone.end(signal.SIGKILL)
    first.kill()
    first.wait(DEADLINE_S)
    until(lambda: state_of(forks[0]) == "S", "fork that waits: nobody saw it")
    lone.start()
    until(lambda: gone(forks[0]), "end of the fork whose launcher had ended")
    first.communicate()
    assert not gone(forks[1])
    second.kill()
    second.communicate()
    until(lambda: gone(forks[1]), "end of the fork whose launcher ended later")
    until(lambda: lone.forks() == [], "clean folder")


def test_programs_wait_for_the_imports(tmp_path: Path) -> None:
    """Asked before it is warm, the template answers when it is."""
    script(tmp_path, WAITS_TO_GO.format(go=str(tmp_path / "go")), "slow_module.py")
    env = CLEAN | {"PYTHONPATH": str(tmp_path)}
    with template("slow_module", env=env, start=False) as made:
        made.begin()
        until((made.folder / "template.socket").exists, "socket")
        with made.popen("-c", "import sys; print('slow_module' in sys.modules, sys.path)") as process:
            until(lambda: "socket" in str(list_files(process.pid)), "asking launcher")
            (tmp_path / "go").touch()
            out, _ = process.communicate(timeout=DEADLINE_S)
    assert out.startswith(b"True ")


def test_a_program_that_waited_for_the_imports_is_refused_what_they_have_read(tmp_path: Path) -> None:
    text = WAITS_TO_GO.format(go=str(tmp_path / "go")) + "MODE = os.environ.get('MODE')"
    script(tmp_path, text, "slow_module.py")
    env = CLEAN | {"PYTHONPATH": str(tmp_path)}
    with template("slow_module", env=env, start=False) as made:
        made.begin()
        until((made.folder / "template.socket").exists, "socket")
        asks = "import slow_module; print(slow_module.MODE)"
        with made.popen("-c", asks, env=env | {"MODE": "fast"}) as process:
            until(lambda: "socket" in str(list_files(process.pid)), "asking launcher")
            (tmp_path / "go").touch()
            out, _ = process.communicate(timeout=DEADLINE_S)
    assert out == b"fast\n"


def test_what_is_asked_while_it_imports_is_handled_once() -> None:
    """An order and a launcher that come in the same moment: the launcher's turn is over when the imports are."""
    names = ["wave", "mailbox", "plistlib", "colorsys", "tabnanny"]  # not among those that it has
    with template() as made, ThreadPoolExecutor(1) as pool:
        assert made.process
        made.process.send_signal(signal.SIGSTOP)
        until(lambda: state_of(made.pid) == "T", "stopped template")
        order = pool.submit(made.order, "import", modules=names)
        until(lambda: connections(made) == 1, "waiting order")
        with made.popen("-c", WAIT) as process:
            until(lambda: connections(made) == 2, "waiting launcher")
            made.process.send_signal(signal.SIGCONT)
            up, loaded = line(process), order.result(DEADLINE_S)["loaded"]
            process.terminate()
        assert up == b"up"
        assert set(names) <= set(loaded)
        made.run("-c", "pass")


def connections(made: Template) -> int:
    """How many have connected to its socket, whether it looks or not."""
    path = str(made.folder / "template.socket")
    listening = 1
    return sum(path in row for row in Path("/proc/net/unix").read_text().splitlines()) - listening


def test_the_template_keeps_to_itself_what_it_imports(tmp_path: Path) -> None:
    """Modules that print, that start threads, that fail, that import Ray."""
    script(tmp_path, "import sys; print('noise'); sys.stderr.write('half a line')", "noisy.py")
    script(
        tmp_path, "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", "busy.py"
    )
    script(tmp_path, "raise SystemExit('no')", "failing.py")
    script(tmp_path, "import ray", "using_ray.py")
    names = ("noisy", "busy", "failing", "using_ray")
    with template(*names, env=CLEAN | {"PYTHONPATH": str(tmp_path)}) as made:
        state = made.order()
        assert state["threads"] == 1
        assert "ray" not in state["loaded"]
        assert {"busy", "failing", "using_ray"} <= set(state["failed"])
        assert "noisy" not in state["failed"]
        assert made.run("-c", "pass") == Ran(0, b"", b"")
        made.order("import", modules=["noisy"])


def test_the_users_own_modules_are_imported_only_where_they_are_named(tmp_path: Path) -> None:
    for name in ("named", "learned"):
        script(tmp_path, f"print({name!r})", f"{name}.py")
    with template("named", env=CLEAN | {"PYTHONPATH": str(tmp_path)}) as made:
        loaded = made.order("import", modules=["learned", "named", "wave"])["loaded"]
        assert {"named", "wave"} <= set(loaded)
        assert "learned" not in loaded


def test_files_of_the_launcher_do_not_stay_with_the_template(warm: Template) -> None:
    # It sleeps when it has done all that the end of a fork means.
    until(lambda: not psutil.Process(warm.pid).children() and state_of(warm.pid) == "S", "end of all forks")
    before = sorted(list_files(warm.pid))
    for _ in range(3):
        warm.run("-c", "pass")
    until(lambda: sorted(list_files(warm.pid)) == before, "the same files as before")


def test_time_is_the_programs_own(warm: Template) -> None:
    code = "import time, logging; print(time.process_time() < 1, time.thread_time() < 1)"
    assert warm.run("-c", code).out == b"True True\n"


def test_a_socket_that_somebody_deletes_is_there_again(own: Template) -> None:
    """And so is the whole folder: cleaners of /tmp take what is old."""
    (own.folder / "template.socket").unlink()
    until((own.folder / "template.socket").exists, "another socket")
    assert own.run("-c", WHO).out == FORK
    # All at once: it may make the folder anew while its files are deleted one by one.
    shutil.rmtree(own.folder.rename(own.place / "old"))
    until((own.folder / "state.json").exists, "another folder")
    assert own.run("-c", WHO).out == FORK
    assert own.state()["stage"] == "running"
    assert own.forks() == []


def test_a_template_that_is_stopped_holds_nobodys_files(own: Template) -> None:
    assert own.process
    own.process.send_signal(signal.SIGSTOP)
    until(lambda: state_of(own.pid) == "T", "stopped template")
    with own.popen("-c", "pass") as process:
        until(lambda: connections(own) == 1, "waiting launcher")
        process.kill()
        assert process.stdout
        assert process.stdout.read() == b""  # nobody else could write there
    own.process.send_signal(signal.SIGCONT)


def test_in_a_full_folder_the_template_lives_and_nothing_runs_that_nobody_would_find() -> None:
    with template(start=False) as own:
        settings = (own.folder / "settings.json").read_text()
        if not is_small_disk(own.folder):
            pytest.skip("only who may mount has a small disk")
        try:
            (own.folder / "settings.json").write_text(settings)
            own.start()
            filler = own.folder / "filler"
            with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
                while True:
                    file.write(b"0" * 4096)
            modules = own.order("import", modules=["wave"])["modules"]
            assert own.launch("-c", WHO).out == REALLY
            # The template ends the fork before it refuses the launcher, and sees its end a moment later.
            until(lambda: own.forks() == [], "nobody who is listed as a fork")
            assert "cannot tell its state" in own.log()
            filler.unlink()
            assert own.run("-c", WHO).out == FORK
            until(lambda: own.state()["modules"] >= modules, "state that is up to date")
        finally:
            own.end()
            subprocess.run(["umount", own.folder], check=True)


def is_small_disk(folder: Path) -> bool:
    """Now it is one, if this user may do that."""
    asked = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0
