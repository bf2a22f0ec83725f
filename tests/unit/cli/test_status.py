"""What `status` prints."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from daybreak import api
from daybreak.cli.status import table
from daybreak.paths import ClusterPaths
from daybreak.states import ClusterState, Health, ServiceState
from daybreak.timeline.event import Outcome, RunKind
from daybreak.timeline.status import KeptStatus, ServiceStatus, Snapshot
from daybreak.timeline.store import Store


def ended(outcome: Outcome, error: str | None) -> None:
    """A start of the cluster `mine` that ended so, a minute ago."""
    paths = ClusterPaths.of("mine")
    paths.ensure()
    with Store(paths.timeline) as store:
        run = store.begin_run(
            RunKind.STARTUP, workers=0, warm=False, versions={}, machine={}, spec_digest="", wall=time.time() - 60
        )
        store.end_run(run, outcome, 1.0, error=error)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "runtime"))


def test_a_stopped_cluster_says_why_its_last_start_failed() -> None:
    ended(Outcome.FAILED, "serve failed: ModuleNotFoundError: No module named 'app'")
    first, second, *_ = table(api.status("mine").snapshot, time.time())
    assert first == "mine: stopped"
    assert second.startswith("the last startup failed ")
    assert second.endswith(" ago: serve failed: ModuleNotFoundError: No module named 'app'")


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.INTERRUPTED])
def test_a_stopped_cluster_of_which_nothing_failed_says_no_more(outcome: Outcome) -> None:
    ended(outcome, None)
    assert table(api.status("mine").snapshot, time.time()) == ["mine: stopped"]


def serving(count: int, sick: int = -1) -> dict[str, Any]:
    """So many deployments, of which one is not well."""
    rows = []
    for number in range(count):
        status, message = ("UNHEALTHY", "KeyError: 'MODEL' (app.py:12)") if number == sick else ("HEALTHY", "")
        row = {"name": f"D{number}", "status": status, "wanted": 2, "running": 2 - (number == sick), "message": message}
        rows.append(row)
    return {"unknown": "", "applications": [{"name": "shop", "deployments": rows}]}


def shown(serving: dict[str, Any]) -> list[str]:
    row = ServiceStatus("serve", "app", ServiceState.READY, Health.HEALTHY)
    return table(Snapshot("mine", ClusterState.READY, keeper_pid=1, services=(row,), serving=serving), 0.0)[3:]


def test_each_deployment_has_its_line_as_serve_tells_it() -> None:
    assert shown(serving(2, sick=1)) == [
        "APPLICATION  DEPLOYMENT  SERVE SAYS  REPLICAS",
        "shop         D0          HEALTHY     2/2",
        "shop         D1          UNHEALTHY   1/2       KeyError: 'MODEL' (app.py:12)",
    ]


def test_of_many_deployments_those_that_are_not_well_are_shown() -> None:
    lines = shown(serving(40, sick=7))
    assert [line.split()[1] for line in lines[1:-1]] == ["D7"]
    assert lines[-1] == "and 39 deployments more: see --json"


def test_what_nobody_knows_is_said() -> None:
    (line,) = shown({"unknown": "the dashboard is off", "applications": []})
    assert line == "applications not known: the dashboard is off"


def test_what_is_kept_for_a_way_back_is_told_with_what_it_takes() -> None:
    row = ServiceStatus("serve", "app", ServiceState.READY, Health.HEALTHY)
    kept = KeptStatus(3, time.mktime((2026, 11, 29, 14, 5, 0, 0, 0, -1)), 612 * 2**20)
    lines = table(Snapshot("mine", ClusterState.READY, keeper_pid=1, services=(row,), kept=kept), 0.0)
    assert "kept         version 3 is kept until 14:05, 612.0 MiB: `daybreak rollback` returns to it" in lines


def test_what_programs_have_written_moves_no_cursor() -> None:
    """Neither from a service's reason and its last lines, nor from a deployment's message."""
    evil = "\x1b]0;title\x07\x1b[2Jgone\x9b31m \u202e"
    row = ServiceStatus("serve", "app", ServiceState.FAILED, reason=evil, tail=(evil,))
    told = serving(1)
    told["applications"][0]["deployments"][0]["message"] = evil
    snapshot = Snapshot("mine", ClusterState.READY, keeper_pid=1, services=(row,), serving=told)
    said = "\n".join(table(snapshot, 0.0))
    assert said.count("gone\ufffd31m \ufffd") == 3
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)
