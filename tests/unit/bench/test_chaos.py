"""How victims are found, what a fault is judged by, and the table: nothing is left empty."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench import __main__ as bench
from bench import chaos
from bench.faults import fault as faults
from bench.faults.fault import FAULTS, Fault, How
from bench.faults.held import HELD
from bench.faults.judge import Row, last_bad_s, lies, shown_s
from bench.faults.kept import Kept, Shelf
from bench.faults.killed import KILLED
from bench.faults.lines import chosen
from bench.faults.stock import COMPOSE, STOCK, UNITS
from bench.faults.table import HEADS, cells, told
from bench.faults.table import chaos as chaos_table
from bench.faults.target import Found, Look
from bench.faults.victims import VICTIMS, Group, Victim
from bench.faults.watch import Said
from bench.openloop.records import Outcome, Request
from bench.openloop.report import Report

from daybreak.backends.process import procfs
from tests.unit.bench.samples import MACHINE

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
        (request(1.0), request(2.0, Outcome.REFUSED), request(3.0, lasted_s=6.0), request(5.0, lasted_s=6.0))
    )
    moments = [said(1.0), said(2.05), said(2.0, "degraded"), said(4.95), said(7.0)]
    assert [one.answered_s for one in lies(report, moments, 0.5)] == [2.05, 4.95]
    assert [one.answered_s for one in lies(report, moments, 2.5)] == [4.95], "what was asked before was true then"
    assert lies(report, [said(3.05)], 0.5) == [], "no request had waited for a second: nobody could know"
    assert shown_s(moments, 1.5) == 0.5
    assert shown_s([said(1.0)], 0.5) is None


def test_all_is_well_when_the_last_of_requests_status_and_writers_is() -> None:
    report = Report((request(1.0, Outcome.REFUSED), request(2.0, lasted_s=1.5), request(9.0)))
    assert last_bad_s(report, [said(9.0)], [0.0], 0.5) == 3.5
    assert last_bad_s(report, [said(4.0, "starting"), said(5.0, missing=1)], [0.0], 0.5) == 5.0
    assert last_bad_s(report, [], [7.0, 0.0], 0.5) == 7.0
    assert last_bad_s(Report(()), [], [0.0], 8.0) == 8.0
    assert last_bad_s(Report(()), [], [], 8.0) == 8.0


def row(**values: Any) -> Row:
    return Row("kill-gcs", "kill -9: the GCS", requests_count=1200, held_s=1.25, lost={"Redis": 0}, **values)


BLOW = Fault(VICTIMS[0], How.KILL)


def kept(found: Row | dict[str, Any], name: str = BLOW.name, *, quiet: bool = True) -> Kept:
    raw = found.to_json() if isinstance(found, Row) else found
    return Kept(name, raw, MACHINE, "2026-01-02T03:04:05+00:00", quiet, 0.1, 100.0, 30.0)


def test_no_cell_is_empty_whatever_happened() -> None:
    well = row(failed_count=3, shown_s=0.2, healthy_s=4.0, lies_count=2, lied_s=0.4)
    assert cells(BLOW, kept(well))[2:-1] == ["3 of 1,200", "1.2 s", "0.2 s", "4.0 s", "2, until 0.4 s", "none", "none"]
    assert cells(BLOW, kept(well))[-1] == "no: 3 failed, status lied"
    assert cells(BLOW, kept(row(unwell=("head is failing",))))[4:7] == ["never", "not healed: head is failing", "0"]
    assert cells(BLOW, kept(row(exceeded=("the keeper had 200 MB",))))[-2] == "the keeper had 200 MB"
    assert set(cells(BLOW, kept(Row("a", "b", absent=True)))[2:]) == {"no such process here", "no"}
    assert set(cells(BLOW, kept(Row("a", "b", absent=True, reason="too large")))[2:]) == {"too large", "no"}
    assert all(len(cells(BLOW, one)) == len(HEADS) for one in (kept(well), kept(Row("a", "b", absent=True)), None))
    assert "failed: 3 of 1,200" in told(BLOW, kept(well))
    assert Row.from_json(well.to_json()) == well


@pytest.mark.parametrize(("lost", "words"), [({"PostgreSQL": 2, "Redis": None}, "PostgreSQL 2, Redis not known")])
def test_what_is_lost_or_cannot_be_known_is_no_row_that_is_met(lost: dict[str, int | None], words: str) -> None:
    found = cells(BLOW, kept(replace(row(healthy_s=1.0), lost=lost)))
    assert found[-3] == words
    assert found[-1] == "no: data lost, or not known"


def test_beside_other_work_no_seconds_are_told_and_slow_answers_accuse_nobody() -> None:
    slow = row(healthy_s=4.0, shown_s=0.2, lies_count=7, lied_s=0.4)
    assert cells(BLOW, kept(slow, quiet=False))[-1] == "yes"
    assert cells(BLOW, kept(slow))[-1] == "no: status lied"
    assert not any(cell.endswith(" s") for cell in cells(BLOW, kept(slow, quiet=False)))
    failed = replace(slow, failed_count=3)
    assert cells(BLOW, kept(failed, quiet=False))[-1] == "open: requests failed beside other work"
    untrue = replace(failed, untrue_count=1)
    assert cells(BLOW, kept(untrue, quiet=False))[-1] == "no: status lied"


def test_where_nothing_can_hide_a_failure_it_is_told_and_not_required() -> None:
    door = next(fault for fault in FAULTS if fault.name == "kill-gateway")
    lost = row(failed_count=3, healthy_s=4.0)
    assert cells(door, kept(lost))[1::8] == ["heals", "yes"]
    assert cells(BLOW, kept(lost))[-1] == "no: 3 failed"


def test_operations_are_killed_in_fifty_rounds_and_each_that_went_wrong_counts() -> None:
    good, bad = {"hit": True, "fault": ""}, {"hit": False, "fault": "left after down"}
    assert cells(KILLED[0], kept({"rounds": [good] * 3}))[2:] == [
        "3 of 50 rounds, 3 while it ran, 0 went wrong",
        "so far",
    ]
    assert cells(KILLED[0], kept({"rounds": [*[good] * 49, bad]}))[-1] == "no"
    assert cells(KILLED[0], kept({"rounds": [good] * 50}))[-1] == "yes"


def test_the_table_has_a_row_for_each_fault_measured_or_not(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert chaos_table(shelf).count("not measured yet") > len(chosen())
    shelf.put(kept(row(healthy_s=1.0)))
    shelf.put(kept({"passed": True, "told": "2 passed", "tests": []}, HELD[0].name, quiet=False))
    text = chaos_table(shelf)
    assert "| 0 of 1,200 | 1.2 s | never | 1.0 s | 0 | none | none | yes | 1 |" in text
    assert f"| {HELD[0].title} | {HELD[0].required} | 2 passed | yes | 2 |" in text
    assert "| 2 | 2026-01-02 |" in text
    assert all(line.title in text for line in chosen())


def test_what_keeps_stock_ray_alive_stands_beside_daybreak(tmp_path: Path) -> None:
    shelf, (line, *_) = Shelf(tmp_path), STOCK[COMPOSE]
    shelf.put(kept({"requests_count": 500, "failed_count": 7, "healthy_s": 2.5}, line.name))
    shelf.put(kept({"requests_count": 900, "failed_count": 0, "healthy_s": None}, replace(line, keeping=UNITS).name))
    (told,) = [text for text in chaos_table(shelf).splitlines() if "7 of 500" in text]
    assert told == (f"| {line.title} | not measured yet | 0 of 900 / not within 3 minutes | 7 of 500 / 2.5 s | 1 |")


def test_what_was_taken_is_not_taken_again_but_for_what_was_taken_beside_other_work(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert shelf.is_due(BLOW.name, quiet=False)
    shelf.put(kept(row(), quiet=False))
    assert (shelf.is_due(BLOW.name, quiet=False), shelf.is_due(BLOW.name, quiet=True)) == (False, True)
    shelf.put(kept(row()))
    assert not shelf.is_due(BLOW.name, quiet=True)
    taken = shelf.get(BLOW.name)
    assert taken
    assert Row.from_json(taken.row) == row()


def test_rows_are_named_by_themselves_or_by_their_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.name for line in chosen(["silent", "kill-redis"])] == ["kill-redis", "silent"]
    assert {line.name for line in chosen(["held"])} == {line.name for line in HELD}
    names = [line.name for line in chosen()]
    assert len(names) == len(set(names))
    assert bench.main([chaos.NAME, "--list", "--only", "silent"]) == 0
    assert capsys.readouterr().out == "silent\n"
    assert chaos.main(["--rate", "7"]) == 2
    assert "no result" in capsys.readouterr().err
