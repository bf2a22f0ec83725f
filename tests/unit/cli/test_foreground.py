"""`up --foreground` after its start: what it says while it stays, and when it leaves. Signals: on a real one."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daybreak.cli.common import foreground as module
from daybreak.cli.common.foreground import SilentKeeper, foreground, headline, is_rolled_back
from daybreak.errors import Interrupted, KeeperError, NotRunning
from daybreak.extras.boot.notify import Notifier
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths
from daybreak.states import ClusterState, Health, ServiceState
from daybreak.timeline.status import ServiceStatus, Snapshot

READY = ServiceStatus("serve", "app", ServiceState.READY, Health.HEALTHY)
SICK = ServiceStatus("serve", "app", ServiceState.READY, Health.UNHEALTHY, reason="GET /health: 503")
GONE = ServiceStatus("head", "app", ServiceState.CRASHED, reason="exited with code 1")


def snapshot(state: ClusterState, keeper: int, *rows: ServiceStatus) -> Snapshot:
    return Snapshot("shop", state, keeper_pid=keeper, services=rows, urls={"serve": "http://127.0.0.1:8000"})


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    made = ClusterPaths("shop", tmp_path / "state", tmp_path / "run")
    made.ensure()
    return made


class Told:
    """What systemd is told."""

    watchdog_s: float | None = None

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, *lines: str) -> None:
        self.lines += lines


def test_it_says_what_changes_and_leaves_when_the_cluster_was_stopped(
    paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    well = snapshot(ClusterState.READY, 1, READY)
    looks: list[Any] = [
        well,
        well,
        KeeperError("the keeper has not answered for 30 s"),
        snapshot(ClusterState.DEGRADED, 2, SICK, GONE),
        NotRunning("shop"),
    ]

    def look(_: ClusterPaths) -> Snapshot:
        found = looks.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, Snapshot)
        return found

    monkeypatch.setattr(module, "_look", look)
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    told = Told()
    notify: Any = told
    assert foreground(paths, lambda: told.lines.append("up"), notify) == 0
    lines = [
        "shop is ready: http://127.0.0.1:8000",
        "shop: the keeper has not answered for 30 s",
        "shop is degraded: serve unhealthy GET /health: 503; head crashed exited with code 1",
    ]
    assert told.lines.count("WATCHDOG=1") == 5, "it is told with each look"
    news = [line for line in told.lines if line != "WATCHDOG=1"]
    assert news == ["STATUS=starting shop", "up", "READY=1", *(f"STATUS={line}" for line in lines)]
    gone = "keeper 1 is gone: keeper 2 looks after it now"
    assert capsys.readouterr().err.splitlines() == [*lines[:2], gone, lines[2], "shop was stopped"]


@pytest.fixture
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_a_keeper_that_is_silent_for_too_long_is_ended(
    paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch, sleeping: subprocess.Popen[bytes]
) -> None:
    holders = {"now": sleeping.pid}
    monkeypatch.setattr(client, "holder", lambda _: holders["now"])
    watch = SilentKeeper(paths, 120.0)
    assert watch.silent(0.0) is None
    assert watch.silent(119.0) is None
    watch.answered()
    assert watch.silent(121.0) is None, "it has answered since"
    holders["now"] = 1
    assert watch.silent(130.0) is None
    holders["now"] = sleeping.pid
    assert watch.silent(250.0) is None, "another one had its place meanwhile"
    assert watch.silent(369.0) is None
    assert sleeping.poll() is None
    assert watch.silent(370.0) == sleeping.pid
    assert sleeping.wait(60) == -signal.SIGKILL


def test_without_a_watchdog_no_keeper_is_ended(
    paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch, sleeping: subprocess.Popen[bytes]
) -> None:
    monkeypatch.setattr(client, "holder", lambda _: sleeping.pid)
    watch = SilentKeeper(paths, None)
    assert [watch.silent(now) for now in (0.0, 1e3, 1e6)] == [None] * 3
    assert sleeping.poll() is None


def test_a_start_that_fails_is_no_reason_to_stop_anything(paths: ClusterPaths) -> None:
    def start() -> None:
        raise Interrupted("interrupted by `daybreak down`")

    with pytest.raises(Interrupted):
        foreground(paths, start, Notifier())


def test_only_a_cluster_that_was_not_stopped_goes_on_with_an_earlier_version(paths: ClusterPaths) -> None:
    assert not is_rolled_back(paths)
    for text, rolled_back in (
        ('{"settled": true, "rolled_back": null}', False),
        ('{"settled": true, "rolled_back": "ab"}', True),
        ('{"settled": false, "rolled_back": "ab"}', False),
    ):
        paths.wanted.write_text(text)
        assert is_rolled_back(paths) == rolled_back


def test_the_headline_is_one_line_without_what_a_terminal_obeys() -> None:
    row = ServiceStatus("head", "app", ServiceState.FAILED, reason="\x1b[31mred")
    assert headline(snapshot(ClusterState.DEGRADED, 1, row)) == "shop is degraded: head failed red"
    assert headline(Snapshot("shop", ClusterState.READY)) == "shop is ready"
