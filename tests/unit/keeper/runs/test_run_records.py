"""What the keeper says of its own history."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from daybreak.keeper.runs.run_records import Details, Runs
from daybreak.run.restart_way import Way
from daybreak.timeline.event import Event, Kind, Outcome, RunKind


def test_a_history_that_was_set_aside_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "timeline.db"
    path.write_text("no database " * 100)
    told: list[str] = []
    with closing(Runs(path, told.append)) as runs:
        for _ in range(2):
            runs.add(Event(Kind.NOTE, 0.0, 0.0, data={"text": "something"}))
    (text,) = told
    assert "timeline.db.corrupt-1" in text


def test_what_a_restart_takes_here_is_told_by_its_way_and_workers(tmp_path: Path) -> None:
    details = Details(1, True, {}, {}, "")
    with closing(Runs(tmp_path / "timeline.db", print)) as runs:
        assert runs.usual(Way.REDEPLOY, 1) == (None, 0)
        for way, workers, outcome, seconds in (
            ("redeploy", 1, Outcome.OK, 3.0),
            ("redeploy", 1, Outcome.OK, 5.0),
            ("redeploy", 1, Outcome.OK, 4.0),
            ("redeploy", 1, Outcome.FAILED, 90.0),
            ("redeploy", 2, Outcome.OK, 80.0),
            ("in-place", 1, Outcome.OK, 8.0),
            (None, 1, Outcome.OK, 10.0),  # of a time without ways
        ):
            run = runs.begin(RunKind.RESTART, replace(details, workers=workers, way=way))
            runs.end(run, outcome, seconds, None)
        assert runs.usual(Way.REDEPLOY, 1) == (4.0, 3)
        assert runs.usual(Way.IN_PLACE, 1) == (9.0, 2)
