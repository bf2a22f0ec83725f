"""How victims are found, what a fault is judged by, and the table: nothing is left empty."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from bench import chaos, suite
from bench.faults import fault as faults
from bench.faults.fault import FAULTS, Fault, How
from bench.faults.judge import Row, last_bad_s, lies, shown_s
from bench.faults.table import HEADS, cells, told
from bench.faults.target import Found, Look
from bench.faults.victims import VICTIMS, Group, Victim
from bench.faults.watch import Said
from bench.openloop.records import Outcome, Request
from bench.openloop.report import Report
from bench.results import Report as Results
from bench.scenarios import Suite
from bench.table import SUITES

from daybreak.backends.process import procfs
from tests.unit.bench.samples import MACHINE, SETTINGS, sample

PROCESSES = (
    Found("head", 10, 1, 1, "python", "python -IS /x/programs/node/node.py"),
    Found("head", 11, 10, 1, "gcs_server", "/ray/gcs_server --log_dir=/tmp"),
    Found(
        "head", 12, 10, 1, "raylet", "/ray/raylet --socket=r --static --python_worker_command=python /x/warm/bin/python"
    ),
    Found("head", 13, 10, 1, "dash", "/bin/dash /x/warm/stand.sh python 1 /ray/dashboard/dashboard.py --host"),
    Found("head", 14, 9, 1, "python", "python /ray/dashboard/dashboard.py --host"),
    Found("head", 15, 9, 1, "ray::ServeContr", "ray::ServeController"),
    Found("head", 16, 9, 1, "haproxy", "haproxy -db -f h.cfg"),
    Found("worker-1", 20, 1, 1, "raylet", "/ray/raylet"),
    Found("worker-1", 21, 20, 1, "dash", "/bin/dash /x/warm/stand.sh python 1 /ray/default_worker.py"),
    Found("worker-1", 22, 9, 1, "ray::IDLE", "ray::IDLE"),
    Found("gateway", 30, 1, 1, "haproxy", "haproxy -db -f gateway.cfg"),
    Found("postgres", 40, 1, 1, "setpriv", "setpriv postgres -D data"),
    Found("postgres", 41, 40, 1, "postgres", "/bin/postgres -D data"),
    Found("postgres", 42, 41, 1, "postgres", "postgres: checkpointer "),
    Found("postgres", 43, 41, 1, "postgres", "postgres: app db 127.0.0.1(4242) idle"),
    Found("redis", 50, 1, 1, "valkey-server", "valkey-server *:6380"),
)
REPLICAS = [{"pid": 60, "state": "RUNNING"}, {"pid": 61, "state": "STARTING"}]
STATUS: dict[str, Any] = {"keeper_pid": 5, "serving": {"applications": [{"deployments": [{"replicas": REPLICAS}]}]}}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        *(("replica", [(60,)]), ("idle", [(22,)]), ("worker-raylet", [(20,)]), ("gcs", [(11,)])),
        *(("head-raylet", [(12,)]), ("head", [(10, 11, 12, 13, 14, 15, 16)]), ("controller", [(15,)])),
        *(("proxy", []), ("haproxy", [(16,)]), ("gateway", [(30,)]), ("dashboard", [(14,)]), ("keeper", [(5,)])),
        *(("launcher", [(21,)]), ("redis", [(50,)]), ("postmaster", [(41,)]), ("backend", [(43,)])),
    ],
)
def test_a_victim_is_found_and_nothing_that_only_looks_like_it(name: str, found: list[Group]) -> None:
    victim = next(victim for victim in VICTIMS if victim.name == name)
    assert victim.find(Look(STATUS, PROCESSES)) == found


@pytest.mark.parametrize("victim", VICTIMS, ids=lambda victim: victim.name)
def test_a_cluster_of_which_nothing_is_left_has_no_victim(victim: Victim) -> None:
    assert victim.find(Look({}, ())) == []


def test_what_is_stopped_goes_on_afterwards_and_what_is_killed_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[str] = []

    def look(_: float) -> None:
        while (found := procfs.read(child.pid)) and found.state != "T":
            pass
        states.append("T")

    with subprocess.Popen(["sleep", "60"]) as child:
        monkeypatch.setattr(time, "sleep", look)
        began_s, ended_s = Fault(VICTIMS[0], How.STOP).strike((child.pid,))
        assert states == ["T"]
        assert began_s <= ended_s
        while (found := procfs.read(child.pid)) and found.state == "T":
            pass
        Fault(VICTIMS[0], How.KILL).strike((child.pid,))
        assert child.wait() == -9
    assert faults.STOPPED_S == 20


def request(due_s: float, outcome: Outcome = Outcome.OK, lasted_s: float = 0.01) -> Request:
    return Request("short", due_s, due_s, due_s + lasted_s, outcome)


def said(at_s: float, state: str = "ready", missing: int = 0) -> Said:
    return Said(at_s - 0.01, at_s, state, () if state == "ready" else ("head",), missing)


def test_ready_is_a_lie_where_a_request_of_that_moment_fails_or_waits_for_long() -> None:
    report = Report(
        (request(1.0), request(2.0, Outcome.REFUSED), request(3.0, lasted_s=6.0), request(4.0, lasted_s=4.0))
    )
    moments = [said(1.0), said(2.05), said(2.0, "degraded"), said(2.95), said(4.0)]
    assert [one.answered_s for one in lies(report, moments)] == [2.05, 2.95]
    assert shown_s(moments, 1.5) == 0.5
    assert shown_s([said(1.0)], 0.5) is None


def test_all_is_well_when_the_last_of_requests_status_and_writers_is() -> None:
    report = Report((request(1.0, Outcome.REFUSED), request(2.0, lasted_s=1.5), request(9.0)))
    assert last_bad_s(report, [said(9.0)], [0.0], 0.5) == 3.5
    assert last_bad_s(report, [said(4.0, "starting"), said(5.0, missing=1)], [0.0], 0.5) == 5.0
    assert last_bad_s(report, [], [7.0, 0.0], 0.5) == 7.0
    assert last_bad_s(Report(()), [], [0.0], 8.0) == 8.0


def row(**values: Any) -> Row:
    return Row("kill-gcs", "kill -9: the GCS", requests_count=1200, held_s=1.25, lost={"Redis": 0}, **values)


def test_no_cell_is_empty_whatever_happened() -> None:
    well = row(failed_count=3, shown_s=0.2, healthy_s=4.0, lies_count=2, lied_s=0.4)
    assert cells(well) == ["3 of 1,200", "1.2 s", "0.2 s", "4.0 s", "2, until 0.4 s", "none"]
    assert cells(row(unwell=("head is failing",)))[2:5] == ["never", "not healed: head is failing", "0"]
    assert cells(Row("a", "b", lost={"PostgreSQL": 2, "Redis": None}))[-1] == "PostgreSQL 2, Redis not known"
    assert cells(Row("a", "b"))[-1] == "not known"
    assert set(cells(Row("a", "b", absent=True))) == {"no such process here"}
    assert len(cells(well)) == len(HEADS) - 1
    assert "failed: 3 of 1,200" in told(well)
    assert Row.from_json(well.to_json()) == well


def test_the_table_has_a_row_for_each_fault() -> None:
    found = sample(chaos.NAME, None, values={"faults_count": 1.0}, details={"rows": [row(healthy_s=1.0).to_json()]})
    text = SUITES[chaos.NAME](Results(MACHINE, SETTINGS, (chaos.SUITE.scenarios[0].line,), (found,)))
    assert "| kill -9: the GCS | 0 of 1,200 | 1.2 s | never | 1.0 s | 0 | none |" in text


def test_a_part_never_becomes_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Suite, list[str]]] = []

    def remember(made: Suite, words: list[str]) -> int:
        asked.append((made, words))
        return 0

    monkeypatch.setattr(suite, "main", remember)
    chaos.main(["--victims", "gateway", "redis", "--signals", "kill"])
    chaos.main(["--rate", "20"])
    chaos.main(["--seed", "3"])
    assert [made.scenarios[0].title.split()[0] for made, _ in asked] == ["2", str(len(FAULTS)), str(len(FAULTS))]
    assert [Path(words[1]).name for _, words in asked[:2]] == ["partial-chaos.json"] * 2
    assert asked[2][1] == []
