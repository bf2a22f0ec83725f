"""How much of the history stays, and how it is found."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from daybreak.timeline import retention
from daybreak.timeline.event import Kind, Outcome, RunKind
from daybreak.timeline.retention import Limits
from daybreak.timeline.store import Store
from tests.unit.timeline.replayed import event
from tests.unit.timeline.test_store import begin, finished


def test_a_service_that_crashes_for_a_month_fills_no_disk(tmp_path: Path) -> None:
    with Store(tmp_path / "timeline.db", Limits(events=30, recoveries=5, runs=3)) as timeline:
        first = [finished(timeline) for _ in range(3)]
        for number in range(3 * retention.EVERY):
            timeline.add(event(Kind.HEALTH, float(number), run=None))
            if number % 100 == 0:
                last = finished(timeline, RunKind.RECOVERY)
        under_way = begin(timeline)
        for number in range(retention.EVERY):
            timeline.add(event(Kind.HEALTH, float(number), run=under_way))
        assert 30 <= len(timeline.recent(10_000, (Kind.HEALTH,))) - retention.EVERY <= 30 + retention.EVERY
        kept = [run.id for run in timeline.runs(RunKind.RECOVERY)]
        assert kept[0] == last
        assert 5 <= len(kept) < 10
        # The oldest of the others has gone since one more has begun, which itself stays, as long as it is.
        assert [run.id for run in timeline.runs(RunKind.STARTUP)] == [under_way, *first[:0:-1]]
        assert timeline.events(first[0]) == []
        assert len(timeline.events(first[1])) == 2
        timeline.end_run(under_way, Outcome.OK, 1.0)


def test_old_events_that_a_full_disk_does_not_let_go_stop_nothing(tmp_path: Path) -> None:
    path = tmp_path / "timeline.db"
    with Store(path, Limits(events=0)) as timeline:
        for number in range(retention.EVERY - 1):
            timeline.add(event(Kind.NOTE, float(number), run=None))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert not timeline.add(event(Kind.NOTE, 0.0, run=None))
            other.execute("ROLLBACK")
        assert timeline.add(event(Kind.NOTE, 0.0, run=None))
        assert len(timeline.recent(10_000)) == retention.EVERY + 1


def test_one_kind_is_found_by_its_index_and_several_without_sorting_all(tmp_path: Path) -> None:
    path = tmp_path / "timeline.db"
    with Store(path) as timeline:
        finished(timeline)
        asked: list[str] = []
        db = timeline._disk.connection()
        assert db
        db.set_trace_callback(asked.append)
        timeline.recent(5, (Kind.EXITED,))
        timeline.recent(5, (Kind.EXITED, Kind.NOTE))
        db.set_trace_callback(None)
        one, several = (" ".join(str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")) for sql in asked)
    assert "events_of_kind" in one
    assert several == "SCAN events"
