"""The first program of a node's container, in a namespace of its own, with small programs in the place of Ray's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import daybreak
from tests.integration.conftest import until

RAYSIDE = Path(daybreak.__file__).parent / "rayside"
# A namespace in which it is the first process, and /proc shows that one's processes alone.
ALONE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")
# Starts what the node cannot do without, and waits, as `ray start --block` does.
RAY = """
import signal, subprocess, sys
children = [subprocess.Popen([path, "1000"]) for path in sys.argv[1:]]
signal.pause()
"""
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(1000)"


def possible() -> bool:
    return subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not possible(), reason="this system allows no namespaces of one's own")


class Node:
    """A running node; `output` is what it has said."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.process = process

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def client(self, *argv: str, env: dict[str, str] | None = None, cwd: str = "/") -> subprocess.Popen[str]:
        request = json.dumps({"argv": argv, "cwd": cwd})
        return subprocess.Popen(
            [sys.executable, "-IS", str(RAYSIDE / "within.py"), str(self.folder / "node.sock"), request],
            env={**os.environ, **{f"WITHIN_{name}": value for name, value in (env or {}).items()}},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *argv: str, env: dict[str, str] | None = None, cwd: str = "/", given: str = "") -> tuple[int, str]:
        with self.client(*argv, env=env, cwd=cwd) as process:
            said, _ = process.communicate(given, timeout=20)
        return process.returncode, said

    def first(self) -> int:
        """The node's own process, as this machine numbers it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def named(self, name: str) -> int:
        """A process in the node by its name."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "comm").read_text().strip() == name and str(self.folder) in (entry / "cmdline").read_text():
                    return int(entry.name)
            except OSError:
                continue
        raise KeyError(name)


@contextmanager
def node(folder: Path, *vital: str, **job: Any) -> Iterator[Node]:
    """A node whose `ray start` has these processes; `job` overrides what it is told."""
    programs = [folder / name for name in vital]
    for program in programs:
        shutil.copy(shutil.which("sleep") or "", program)
    (folder / "secret").write_text("hidden\n")
    told = {
        "template": None,
        "door": None,
        "launcher": "/nowhere",
        "start": [sys.executable, "-c", RAY, *map(str, programs)],
        "vital": list(vital),
        "afterwards": [],
        "grace_s": 5.0,
        "socket": str(folder / "node.sock"),
        "secrets": {"PASSWORD": str(folder / "secret")},
        "folders": [str(folder / "made")],
        "discard": [str(folder / "stale")],
        **job,
    }
    (folder / "job.json").write_text(json.dumps(told))
    (folder / "stale").touch()
    with open(folder / "output", "w") as output:
        command = [*ALONE, sys.executable, "-IS", str(RAYSIDE / "node.py"), str(folder / "job.json")]
        process = subprocess.Popen(command, stdout=output, stderr=output, text=True)
    made = Node(folder, process)
    try:
        until(lambda: (folder / "node.sock").exists() or process.poll() is not None, what="it listens")
        yield made
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Short enough for a socket."""
    assert len(str(tmp_path)) < 90
    return tmp_path


def test_it_refuses_to_run_beside_others() -> None:
    done = subprocess.run([sys.executable, str(RAYSIDE / "node.py"), "x"], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "the first one of a container" in done.stderr


def test_programs_get_the_files_the_environment_and_the_secrets(folder: Path) -> None:
    with node(folder) as made:
        code = "import os, sys; print(os.environ['PASSWORD'], os.environ['OWN'], os.getcwd(), sys.stdin.read())"
        found = made.run(sys.executable, "-c", code, env={"OWN": "1"}, cwd=str(folder), given="heard")
        assert found == (0, f"hidden 1 {folder} heard\n")
        assert (folder / "made").is_dir()
        assert not (folder / "stale").exists()


def test_it_ends_as_the_program_ends(folder: Path) -> None:
    with node(folder) as made:
        assert made.run("sh", "-c", "exit 7")[0] == 7
        assert made.run("sh", "-c", "kill -9 $$")[0] == -signal.SIGKILL
        code, said = made.run("/nowhere/at/all")
        assert (code, "cannot be run" in said) == (127, True)
        assert made.run("true", cwd="/nowhere")[0] == 127


def test_signals_go_to_the_program(folder: Path) -> None:
    with (
        node(folder) as made,
        made.client("sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done") as one,
    ):
        assert one.stdout
        assert one.stdout.readline() == "up\n"
        one.send_signal(signal.SIGTERM)
        assert one.wait(10) == 9


def test_both_stop_and_go_on_together(folder: Path) -> None:
    with node(folder) as made:
        (folder / "lonely").symlink_to(shutil.which("sleep") or "")
        with made.client(str(folder / "lonely"), "1000") as one:
            pids = (until(lambda: made.named("lonely"), what="the program"), one.pid)
            for number, state in ((signal.SIGTSTP, "T"), (signal.SIGCONT, "S"), (signal.SIGTSTP, "T")):
                one.send_signal(number)
                until(lambda s=state: [state_of(pid) for pid in pids] == [s, s], what=f"both are {state}")  # type: ignore[misc]
            one.kill()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_the_end_of_the_container_is_told_by_others_first(folder: Path) -> None:
    with node(folder) as made, made.client("sh", "-c", "echo up; sleep 1000") as one:
        assert one.stdout
        assert one.stdout.readline() == "up\n"
        made.process.kill()
        with pytest.raises(subprocess.TimeoutExpired):
            one.wait(1)
        assert one.wait(10) == -signal.SIGKILL


def test_a_killed_client_takes_its_program_along(folder: Path) -> None:
    with node(folder) as made:
        (folder / "lonely").symlink_to(shutil.which("sleep") or "")
        with made.client(str(folder / "lonely"), "1000") as one:
            pid = until(lambda: made.named("lonely"), what="the program")
            one.kill()
        until(lambda: not Path(f"/proc/{pid}").exists(), what="the program has gone")


@pytest.mark.parametrize("lost", ["gcs_server", "raylet"])
def test_it_ends_at_once_without_a_process_that_it_needs(folder: Path, lost: str) -> None:
    with node(folder, "gcs_server", "raylet") as made:
        pid = until(lambda: made.named(lost), what=lost)
        time.sleep(0.1)  # it looks for them every 20 ms
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        assert made.process.wait(10) == 1
        assert time.monotonic() - began < 1
        assert "it cannot do without" in made.output


def test_it_ends_when_ray_start_does(folder: Path) -> None:
    with node(folder, start=[sys.executable, "-c", "raise SystemExit(3)"]) as made:
        assert made.process.wait(10) == 3
        assert "ray start ended: exit code 3" in made.output


def test_asked_to_end_it_asks_the_others_first(folder: Path) -> None:
    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(print('asked', flush=True))); signal.pause()"
    with node(folder, start=[sys.executable, "-c", code]) as made:
        time.sleep(0.3)
        os.kill(made.first(), signal.SIGTERM)
        assert made.process.wait(10) == 0
        assert "asked" in made.output


def test_what_has_nothing_to_save_is_not_waited_for(folder: Path) -> None:
    with node(folder, start=[sys.executable, "-c", STUBBORN], afterwards=["time.sleep(1000)"]) as made:
        until(lambda: "up" in made.output, what="it runs")
        began = time.monotonic()
        os.kill(made.first(), signal.SIGTERM)
        assert made.process.wait(10) == 0
        assert time.monotonic() - began < 1


def test_what_does_not_end_is_killed_after_the_grace(folder: Path) -> None:
    with node(folder, start=[sys.executable, "-c", STUBBORN], grace_s=0.5) as made:
        until(lambda: "up" in made.output, what="it runs")
        began = time.monotonic()
        os.kill(made.first(), signal.SIGTERM)
        assert made.process.wait(10) == 0
        assert 0.4 < time.monotonic() - began < 2


def test_orphans_are_collected(folder: Path) -> None:
    with node(folder) as made:
        made.run("sh", "-c", "(sleep 0.1 &) ; exit 0")
        code = "import glob; print([path for path in glob.glob('/proc/[0-9]*/stat') if ') Z ' in open(path).read()])"
        until(lambda: made.run(sys.executable, "-c", code) == (0, "[]\n"), what="no zombies")


def test_a_program_for_the_template_waits_until_that_listens(folder: Path) -> None:
    door = folder / "door"
    bind = f"s = socket.socket(socket.AF_UNIX); s.bind({str(door)!r})"
    code = f"import socket, time; time.sleep(0.5); {bind}; time.sleep(1000)"
    launcher = folder / "launcher"
    launcher.write_text(f"#!/bin/sh\n[ -e {door} ] && echo open || echo closed\n")
    launcher.chmod(0o755)
    told = {"template": [sys.executable, "-c", code], "door": str(door), "launcher": str(launcher)}
    with node(folder, **told) as made:
        assert made.run(str(launcher)) == (0, "open\n")


def test_a_template_that_ended_is_started_again(folder: Path) -> None:
    told = {"template": [sys.executable, "-c", "print('template', flush=True)"], "door": str(folder / "door")}
    with node(folder, **told) as made:
        until(lambda: made.output.count("template\n") >= 2, what="a second one")


def test_nobody_else_is_served(folder: Path) -> None:
    with node(folder) as made:
        assert (folder / "node.sock").stat().st_mode & 0o777 == 0o600
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(folder / "node.sock"))
            one.sendall(b"\5\0\0\0hello")
            assert one.recv(10) == b"", "nonsense ends the connection"
        assert made.run("true")[0] == 0
