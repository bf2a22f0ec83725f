"""Ray's session folders: what a process uses stays, whatever clock and time zone have made of its name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from daybreak.backends.process import procfs
from daybreak.keeper.ray.sessions import Sessions

# By name the first is the oldest, and it is the one that runs: its head has TZ=America/New_York.
RUNNING, OLD, OLDER, OLDEST = (
    "session_2026-11-28_19-32-51_243806_9307",
    "session_2026-11-28_23-08-43_370671_9111",
    "session_2026-11-28_22-08-43_370671_8111",
    "session_2026-11-28_21-08-43_370671_7111",
)


class World:
    """One node's folder, and what processes are said to use."""

    def __init__(self, runtime: Path) -> None:
        self.node = runtime / "head"
        self.used: set[str] = set()
        self.asked: list[set[str]] = []
        self.sessions = Sessions(runtime, used=self._used)

    def make(self, *names: str) -> None:
        """In this order."""
        for name in names:
            (self.node / name / "logs").mkdir(parents=True)
            for path in (self.node / name, self.node / name / "logs"):
                os.utime(path, (len(self.left()), len(self.left())))

    def latest(self, name: str) -> None:
        (self.node / "session_latest").unlink(missing_ok=True)
        (self.node / "session_latest").symlink_to(f"/somewhere/else/{name}")

    def left(self) -> set[str]:
        return {path.name for path in self.node.glob("session_2*")}

    def prune(self) -> set[str]:
        return {path.name for _ in range(2) for path in self.sessions.prune()}

    def _used(self, names: Collection[str]) -> set[str]:
        self.asked.append(set(names))
        return self.used & set(names)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_latest_session_stays_whatever_its_name_says(world: World) -> None:
    world.make(OLDEST, OLDER, OLD, RUNNING)
    world.latest(RUNNING)
    assert world.prune() == {OLDEST, OLDER}
    assert world.left() == {RUNNING, OLD}


def test_the_latest_session_stays_where_the_clock_was_set_back(world: World) -> None:
    world.make(RUNNING, OLDEST, OLDER, OLD)
    world.latest(RUNNING)
    assert world.prune() == {OLDEST, OLDER}


def test_what_a_process_uses_stays(world: World) -> None:
    world.make(RUNNING, OLDEST, OLDER, OLD)
    world.latest("session_that_is_gone")
    world.used = {RUNNING, OLDEST}
    assert world.prune() == {OLDER}
    world.used = {RUNNING}
    assert world.prune() == {OLDEST}


def test_nothing_is_deleted_that_was_not_unused_before(world: World) -> None:
    world.make(OLDEST, OLDER, OLD, RUNNING)
    world.latest(RUNNING)
    assert world.sessions.prune() == []
    world.used = {OLDER}
    assert world.sessions.prune() == [world.node / OLDEST]
    world.used = set()
    assert world.sessions.prune() == []


def test_a_session_that_is_not_yet_the_latest_stays(world: World) -> None:
    world.make(OLD, RUNNING)
    assert world.prune() == set()


def test_processes_are_looked_at_only_where_there_is_something_to_delete(world: World) -> None:
    world.make(OLD, RUNNING)
    world.latest(RUNNING)
    world.prune()
    assert world.asked == []


def test_no_runtime_folder(tmp_path: Path) -> None:
    assert Sessions(tmp_path / "none").prune() == []


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with one name in its command line, one for its folder, and one in an open file."""
    (tmp_path / "session_b").mkdir()
    script = "import sys; kept = open(sys.argv[1] + '/session_c', 'w'); print(flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        ["python3", "-IS", "-c", script, str(tmp_path), "--session-name=session_a"],
        cwd=tmp_path / "session_b",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline()
    yield child
    child.communicate()


@pytest.mark.usefixtures("running")
def test_processes_mention_what_they_use() -> None:
    names = {"session_a", "session_b", "session_c", "session_nobody_knows"}
    assert procfs.mentioned(names) == {"session_a", "session_b", "session_c"}
