"""Which processes are an instance's, on real ones: what belongs to somebody else is neither ended nor waited for."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.backends.process import procfs
from daybreak.backends.process.members import Scan

INSTANCE = "worker-1#7"


class Starter:
    """Starts programs in sessions of their own; `pids` are all that end with the test."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.children: list[subprocess.Popen[bytes]] = []

    def __call__(self, *argv: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(argv, cwd=cwd, start_new_session=True, stdout=subprocess.PIPE)
        self.pids.add(child.pid)
        self.children.append(child)
        return child

    def said(self, parent: subprocess.Popen[bytes]) -> list[int]:
        """The pids of further processes, which a program has printed."""
        assert parent.stdout
        found = [int(word) for word in parent.stdout.readline().split()]
        self.pids.update(found)
        return found


@pytest.fixture
def start() -> Iterator[Starter]:
    made = Starter()
    yield made
    for pid in made.pids:
        with contextlib.suppress(ProcessLookupError):  # it has ended with what it waited for
            os.kill(pid, signal.SIGKILL)
    for child in made.children:
        child.communicate()


def members(main: subprocess.Popen[bytes], working: tuple[str, str] = ("", "")) -> set[int]:
    row = procfs.read(main.pid)
    assert row
    return {process.pid for process in Scan().members(INSTANCE, main.pid, row.started_ticks, working=working)}


def test_whoever_stands_in_the_folder_of_a_server_is_no_part_of_it(start: Starter, tmp_path: Path) -> None:
    data, server = tmp_path / "data", tmp_path / "postgres"
    data.mkdir()
    shutil.copy(shutil.which("sleep") or "", server)
    main = start("sleep", "60")
    shell = start("sh", "-c", "sleep 60 & echo $!; wait", cwd=data)
    left_behind, elsewhere = start(str(server), "60", cwd=data), start(str(server), "60", cwd=tmp_path)
    (typed_there,) = start.said(shell)
    found = members(main, ("postgres", str(data)))
    assert found == {main.pid, left_behind.pid}
    assert not found & {shell.pid, typed_there, elsewhere.pid}


@pytest.mark.parametrize("marks", [{}, {"DAYBREAK_INSTANCE": INSTANCE, "DAYBREAK_CLUSTER_ROOT": "/state/a"}])
def test_what_a_service_has_started_is_its_own(start: Starter, marks: dict[str, str]) -> None:
    words = " ".join(f"{name}={value}" for name, value in marks.items())
    main = start("sh", "-c", f"env -i {words} setsid sleep 60 & echo $!; wait")
    (child,) = start.said(main)
    assert members(main) == {main.pid, child}


@pytest.mark.parametrize(
    "marks",
    [
        {"DAYBREAK_CLUSTER_ROOT": "/state/b"},
        {"DAYBREAK_CLUSTER_ROOT": "/state/a"},
        {"DAYBREAK_CLUSTER_ROOT": "/state/b", "DAYBREAK_INSTANCE": "head#1"},
    ],
    ids=["another keeper", "the own keeper", "a service of another cluster"],
)
def test_a_keeper_below_a_service_and_all_that_it_started_are_not_the_service_s(
    start: Starter, marks: dict[str, str]
) -> None:
    words = " ".join(f"{name}={value}" for name, value in marks.items())
    # As `daybreak up` in a service: the command, its keeper in a session of its own, and what that has started.
    main = start("sh", "-c", f"env {words} setsid sh -c 'setsid sleep 60 & echo $$ $!; wait' & wait")
    keeper, below = start.said(main)
    found = members(main)
    assert main.pid in found
    assert not found & {keeper, below}
