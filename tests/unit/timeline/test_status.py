"""What `status --json` prints is written and read by one class, which understands what other versions write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daybreak.cli.common.output import print_json
from daybreak.states import ClusterState, Health, PageState, ServiceState
from daybreak.timeline.status import KeptStatus, PageStatus, ServiceStatus, Snapshot, VersionStatus

SAMPLE = (Path(__file__).parent / "status.json").read_text()


def test_what_is_printed_is_what_was_printed_before(capsys: pytest.CaptureFixture[str]) -> None:
    head = ServiceStatus(
        "head",
        "app",
        ServiceState.READY,
        Health.HEALTHY,
        pid=4712,
        instance="0a1b2c",
        generation=3,
        since=1790000000.5,
        started=1789999999.5,
        ready_after_s=1.25,
        restarts=1,
        passed=("gcs", "dashboard"),
        urls={"dashboard": "http://127.0.0.1:8265"},
    )
    stuck = ServiceStatus(
        "serve", "app", ServiceState.NOT_ENDED, reason="it cannot be killed", tail=("KeyError: 'MODEL'",)
    )
    made = Snapshot(
        "visits",
        ClusterState.DEGRADED,
        keeper_pid=4711,
        daybreak="0.1.0",
        generation=3,
        workers=2,
        groups={"gpu": 1, "cpu": 1},
        ray="2.60.0",
        backend="process",
        root="/home/me/.local/state/daybreak/visits",
        urls={"dashboard": "http://127.0.0.1:8265", "page": "http://127.0.0.1:8080/"},
        page=PageStatus(PageState.LISTENING, "http://127.0.0.1:8080/"),
        absent={"grafana": "is not installed"},
        notes=("HAProxy is not used",),
        version=VersionStatus(7, rolled_back=True),
        kept=KeptStatus(6, 1790000300.0, 641728512),
        services=(head, stuck),
        serving={"unknown": "", "applications": []},
        alerts={"firing": [], "destinations": []},
    )
    print_json(made.to_json())
    assert capsys.readouterr().out == SAMPLE
    assert Snapshot.from_json(json.loads(SAMPLE)) == made


def test_what_an_older_keeper_does_not_tell_is_empty() -> None:
    found = Snapshot.from_json({"name": "it", "state": "ready", "services": [{"name": "head", "state": "ready"}]})
    assert found == Snapshot("it", ClusterState.READY, services=(ServiceStatus("head", state=ServiceState.READY),))
    assert found.page.state is PageState.OFF


def test_what_only_a_newer_keeper_knows_is_no_error() -> None:
    row = {"name": "head", "state": "hibernating", "health": "sleepy", "mood": 1, "passed": ["gcs"]}
    found = Snapshot.from_json({"name": "it", "state": "dreaming", "page": {"state": "painted"}, "services": [row]})
    assert (found.state, found.page.state) == (ClusterState.DEGRADED, PageState.OFF)
    assert found.services == (ServiceStatus("head", state=ServiceState.UNKNOWN, passed=("gcs",)),)
