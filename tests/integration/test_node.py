"""The first program of a node's container, in a namespace of its own, with small programs in the place of Ray's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import daybreak
from tests.helpers import DEADLINE_S, until

PROGRAMS = Path(daybreak.__file__).parent / "programs" / "node"
# A namespace in which it is the first process, and /proc shows that one's processes alone.
ALONE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")
# Starts what the node cannot do without, and waits, as `ray start --block` does; it does not end when it is asked to.
RAY = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
children = [subprocess.Popen([path, "1000"]) for path in sys.argv[1:]]
signal.pause()
"""
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
print("up", flush=True)
while True: signal.pause()
"""
# Longer than any deadline here: what waits for it does not come to its end.
NEVER_S = 10_000.0


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

    def client(
        self,
        *argv: str,
        env: dict[str, str] | None = None,
        cwd: str = "/",
        own: dict[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        request = json.dumps({"argv": argv, "cwd": cwd})
        return subprocess.Popen(
            [sys.executable, "-IS", str(PROGRAMS / "stand_in.py"), str(self.folder / "node.sock"), request],
            env={**os.environ, **{f"WITHIN_{name}": value for name, value in (env or {}).items()}, **(own or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(
        self,
        *argv: str,
        env: dict[str, str] | None = None,
        cwd: str = "/",
        given: str = "",
        own: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        with self.client(*argv, env=env, cwd=cwd, own=own) as process:
            said, _ = process.communicate(given, timeout=DEADLINE_S)
        return process.returncode, said

    def first(self) -> int:
        """The node's own process, as this machine numbers it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def watches(self, pid: int) -> bool:
        """Whether the node has the process's file open."""
        files = Path(f"/proc/{self.first()}/fdinfo").iterdir()
        return any(f"\nPid:\t{pid}\n" in file.read_text() for file in files)

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
        "grace_s": NEVER_S,
        "socket": str(folder / "node.sock"),
        "secrets": {"PASSWORD": str(folder / "secret")},
        "folders": [str(folder / "made")],
        "discard": [str(folder / "stale")],
        **job,
    }
    (folder / "job.json").write_text(json.dumps(told))
    (folder / "stale").touch()
    with open(folder / "output", "w") as output:
        command = [*ALONE, sys.executable, "-IS", str(PROGRAMS / "node.py"), str(folder / "job.json")]
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


def test_files_that_come_with_a_program_are_there_before_it_runs_and_are_replaced_by_another_value(
    tmp_path: Path,
) -> None:
    here, there = tmp_path / "value", tmp_path / "inside" / "key"
    with node(tmp_path) as running:
        for value in (b"one\xff\n", b"another"):
            here.write_bytes(value)
            code = f"import sys; sys.stdout.buffer.write(open({str(there)!r}, 'rb').read().hex().encode())"
            given = {"DAYBREAK_FILES": json.dumps({str(there): str(here)})}
            assert running.run(sys.executable, "-c", code, own=given) == (0, value.hex())
            assert there.stat().st_mode & 0o777 == 0o400
        assert [one.name for one in there.parent.iterdir()] == ["key"]


def test_it_refuses_to_run_beside_others() -> None:
    done = subprocess.run([sys.executable, str(PROGRAMS / "node.py"), "x"], check=False, capture_output=True, text=True)
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
        assert one.wait(DEADLINE_S) == 9


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
        assert one.wait(DEADLINE_S) == -signal.SIGKILL


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
        until(lambda: made.watches(pid), what=f"it has found {lost}")
        os.kill(pid, signal.SIGKILL)
        assert made.process.wait(DEADLINE_S) == 1
        assert f"{lost} (pid " in made.output


def test_it_ends_when_ray_start_does(folder: Path) -> None:
    with node(folder, start=[sys.executable, "-c", "raise SystemExit(3)"]) as made:
        assert made.process.wait(DEADLINE_S) == 3
        assert "ray start ended: exit code 3" in made.output


def test_asked_to_end_it_asks_the_others_first(folder: Path) -> None:
    code = "import sys; signal.signal(15, lambda *_: sys.exit(print('asked', flush=True)))"
    code = f"import signal; {code}; print('up', flush=True); signal.pause()"
    with node(folder, start=[sys.executable, "-c", code]) as made:
        until(lambda: "up" in made.output, what="it runs")
        os.kill(made.first(), signal.SIGTERM)
        assert made.process.wait(DEADLINE_S) == 0
        assert "asked" in made.output


def test_what_has_nothing_to_save_is_not_waited_for(folder: Path) -> None:
    with node(folder, start=[sys.executable, "-c", STUBBORN], afterwards=["while True: signal.pause()"]) as made:
        until(lambda: "up" in made.output, what="it runs")
        os.kill(made.first(), signal.SIGTERM)
        assert made.process.wait(DEADLINE_S) == 0
        assert "asked" not in made.output


def test_what_does_not_end_is_killed_after_the_grace(folder: Path) -> None:
    with node(folder, start=[sys.executable, "-c", STUBBORN], grace_s=0.5) as made:
        until(lambda: "up" in made.output, what="it runs")
        os.kill(made.first(), signal.SIGTERM)
        assert made.process.wait(DEADLINE_S) == 0
        assert "asked" in made.output


def test_orphans_are_collected(folder: Path) -> None:
    with node(folder) as made:
        made.run("sh", "-c", "(sleep 0.1 &) ; exit 0")
        code = "import glob; print([path for path in glob.glob('/proc/[0-9]*/stat') if ') Z ' in open(path).read()])"
        until(lambda: made.run(sys.executable, "-c", code) == (0, "[]\n"), what="no zombies")


def test_a_program_for_the_template_waits_until_that_listens(folder: Path) -> None:
    door = folder / "door"
    bind = f"s = socket.socket(socket.AF_UNIX); s.bind({str(door)!r})"
    code = f"import socket, time; time.sleep(0.2); {bind}; time.sleep(1000)"
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


def test_a_worker_waits_for_the_head_and_not_for_ever(folder: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with node(folder, after={"address": address, "within_s": 0.2}, start=["sh", "-c", "exit 3"]) as made:
            assert made.process.wait(timeout=60) == 1
            assert f"{address} does not answer within 0.2 s" in made.output
        held.listen()
        with node(folder, after={"address": address, "within_s": 60.0}, start=["sh", "-c", "exit 3"]) as made:
            assert made.process.wait(timeout=60) == 3


def test_applications_are_deployed_again_until_they_run(folder: Path) -> None:
    done, tried = folder / "done", folder / "tried"
    command = ["sh", "-c", f"test -e {tried} || {{ touch {tried}; exit 1; }}"]
    with node(folder, "raylet", deploy={"command": command, "done": str(done)}) as made:
        until(done.exists, what="the applications run")
        assert "the applications could not be deployed" in made.output
        assert made.process.poll() is None
