"""A keeper is nobody's child: what looks at its ancestors does not find the command."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from daybreak.backends.process import procfs
from daybreak.errors import KeeperError
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths
from tests.helpers import until


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ClusterPaths]:
    """The places of a cluster that never was, also for the keeper."""
    with tempfile.TemporaryDirectory(prefix="db", dir="/tmp") as runtime:
        monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path))
        monkeypatch.setenv("DAYBREAK_RUNTIME", runtime)
        yield ClusterPaths.of("alone")


def test_the_keeper_has_left_the_command_that_started_it(here: ClusterPaths) -> None:
    child = client.spawn(here)
    client.await_keeper(here, child).close()
    keeper = psutil.Process(int(here.lock.read_text()))
    assert child.returncode == 0
    assert os.getpid() not in [parent.pid for parent in keeper.parents()]
    # With nothing to look after it leaves by itself.
    keeper.wait(timeout=30)
    assert procfs.read(child.pid) is None


def test_a_keeper_whose_socket_nobody_answers_at_is_named(here: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "START_DEADLINE_S", 0.0)
    here.ensure()
    child = subprocess.Popen(["sleep", "60"])
    with pytest.raises(KeeperError, match="did not answer"):
        client.await_keeper(here, child)
    child.kill()
    child.wait()
    with open(here.lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        with pytest.raises(KeeperError, match=r"the keeper \(pid 4711\) lives") as told:
            client.await_keeper(here, child)
    assert "killing it leaves your services alone" in str(told.value.hint)


def in_turn(monkeypatch: pytest.MonkeyPatch, *commands: str) -> list[str]:
    """What is started as keepers, one after the other, before a real one; those that were."""
    real, left, begun = client.spawn, list(commands), []

    def spawn(paths: ClusterPaths) -> subprocess.Popen[bytes]:
        begun.append(left.pop(0) if left else "keeper")
        return real(paths) if begun[-1] == "keeper" else subprocess.Popen(["sh", "-c", begun[-1]])

    monkeypatch.setattr(client, "spawn", spawn)
    return begun


@pytest.mark.parametrize("gone", ["true", "kill -9 $$", "exit 137"])
def test_a_keeper_that_was_killed_while_it_started_is_followed_by_another_one(
    here: ClusterPaths, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    """Before it has left the command, while that waits for its imports, and after."""
    begun = in_turn(monkeypatch, gone)
    client.ensure(here).close()
    assert begun == [gone, "keeper"]
    keeper = psutil.Process(int(here.lock.read_text()))
    keeper.terminate()
    keeper.wait(timeout=30)


def test_where_each_goes_away_that_is_told_soon(here: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = in_turn(monkeypatch, *["true"] * 9)
    with pytest.raises(KeeperError, match="3 keepers in a row went away while they started"):
        client.ensure(here)
    assert begun == ["true"] * 3


def test_one_that_fails_says_so_at_once(here: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = in_turn(monkeypatch, "exit 3")
    with pytest.raises(KeeperError, match="ended with code 3 while it started"):
        client.ensure(here)
    assert begun == ["exit 3"]


@pytest.mark.parametrize("imported", [False, True])
def test_what_kills_the_keeper_is_known_to_the_command(here: ClusterPaths, *, imported: bool) -> None:
    child = client.spawn(here)
    until(lambda: here.lock.exists() and here.lock.read_text().strip(), what="it has left the command")
    if imported:
        child.wait(timeout=30)
    keeper = int(here.lock.read_text())
    os.kill(keeper, signal.SIGSTOP)
    # It may have been quicker on a busy machine, and has what it wrote read in a moment.
    with contextlib.suppress(subprocess.TimeoutExpired):
        imported = child.wait(timeout=0.5) == 0
    os.kill(keeper, signal.SIGKILL)
    assert child.wait(timeout=30) == (0 if imported else 137)


@contextmanager
def ignoring(*numbers: signal.Signals) -> Iterator[None]:
    """As after `nohup`, or in a shell's background."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignored(pid: int) -> set[int]:
    """The signals that a process ignores, and the programs that it starts with it; those of the C library's own, which
    nobody can set, are left out."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = int(status.partition("SigIgn:")[2].split()[0], 16)
    return {number for number in signal.valid_signals() if mask >> (number - 1) & 1}


def test_what_the_command_ignores_is_not_ignored_in_services(here: ClusterPaths) -> None:
    with ignoring(signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1):
        child = client.spawn(here)
        client.await_keeper(here, child).close()
    keeper = psutil.Process(int(here.lock.read_text()))
    assert ignored(keeper.pid) <= {signal.SIGPIPE, signal.SIGXFSZ}
    # But it goes on itself when a terminal is closed, or interrupted.
    for number in (signal.SIGHUP, signal.SIGINT):
        keeper.send_signal(number)
    client.await_keeper(here, child).close()
    keeper.terminate()
    keeper.wait(timeout=30)


def test_what_a_command_starts_beside_is_collected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under a first process that collects nobody it would stay as a zombie for each command."""
    child = subprocess.Popen(["true"])
    monkeypatch.setattr(client, "spawn", lambda _: child)
    client.spawn_aside(ClusterPaths("alone", tmp_path / "state", tmp_path / "run"))
    # The thread that waits notes the code a moment after the process has gone.
    until(lambda: child.returncode == 0, what="what was started has been collected", timeout_s=20.0)
    assert procfs.read(child.pid) is None
