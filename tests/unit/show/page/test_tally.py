"""Numbers from the timeline: what is counted, and that a new keeper goes on where the old one ended."""

from __future__ import annotations

import pytest

from daybreak.show.page.tally import BOUNDS_S, Histogram, History, Tally
from daybreak.timeline.event import Kind, Outcome, RunKind
from daybreak.timeline.store import Store
from tests.unit.show.page.fake import FakeSource


def read(source: FakeSource) -> Tally:
    return History(source.paths.timeline).read()


def test_a_histogram_counts_a_bound_inwards() -> None:
    histogram = Histogram()
    for value in (0.05, 0.0501, 1.0, 500.0):
        histogram.observe(value)
    buckets = dict(histogram.buckets())
    assert (buckets["0.05"], buckets["0.1"], buckets["1.0"], buckets["120.0"], buckets["+Inf"]) == (1, 2, 3, 3, 4)
    assert len(buckets) == len(BOUNDS_S) + 1
    assert histogram.sum_s == pytest.approx(501.1001)


def test_starts_waits_and_runs(started: FakeSource) -> None:
    tally = read(started)
    assert tally.starts["head",].sum_s == pytest.approx(1.5)
    assert tally.waits["worker-1",].sum_s == pytest.approx(2.0)
    assert dict(tally.runs) == {("startup", "warm", "ok"): 1}
    assert sum(tally.run_durations["startup", "warm"].counts) == 1
    assert tally.first_responses["startup", "warm"].sum_s == pytest.approx(4.4)
    assert not tally.restarts


def test_a_restart_is_told_from_a_crash(started: FakeSource) -> None:
    started.begin(RunKind.RESTART, warm=False)
    started.tell(Kind.STOPPING, "head", why="restart")
    started.tell(Kind.STOPPED, "head", 0.5, after_s=0.5, killed=0)
    started.start("head", 1.0)
    started.end()
    started.tell(Kind.EXITED, "worker-1", 10.0, exit_code=1, reason="exit code 1")
    started.tell(Kind.BACKING_OFF, "worker-1", delay_s=0.0, restarts=1)
    started.begin(RunKind.RECOVERY)
    started.start("worker-1", 2.0)
    started.end()
    tally = read(started)
    assert {key: value.sum_s for key, value in tally.restarts.items()} == {
        ("head", "command"): pytest.approx(1.5),
        ("worker-1", "crash"): pytest.approx(2.0),
    }
    assert tally.stops["head",].sum_s == pytest.approx(0.5)
    assert (tally.crashes["worker-1"], tally.recoveries["worker-1"]) == (1, 1)
    assert tally.runs["restart", "cold", "ok"] == 1


def test_down_and_up_again_is_no_restart(started: FakeSource) -> None:
    started.begin(RunKind.STOP)
    started.tell(Kind.STOPPING, "head", why="no longer wanted")
    started.tell(Kind.STOPPED, "head", 0.5, after_s=0.5, killed=0)
    started.end()
    started.begin(RunKind.STARTUP)
    started.start("head", 1.0)
    started.end()
    assert not read(started).restarts


def test_a_run_whose_keeper_died_counts_as_interrupted(source: FakeSource) -> None:
    source.begin(RunKind.STARTUP)
    source.tell(Kind.STARTING, "head", why="not running", waited_s=0.0, last_need=None)
    source.begin(RunKind.STARTUP)
    source.end(Outcome.FAILED, "no")
    tally = read(source)
    assert dict(tally.runs) == {("startup", "warm", "interrupted"): 1, ("startup", "warm", "failed"): 1}
    assert not any(any(histogram.counts) for histogram in tally.run_durations.values())


def test_reading_on_counts_nothing_twice(started: FakeSource) -> None:
    history = History(started.paths.timeline)
    first = sum(history.read().starts["head",].counts)
    assert sum(history.read().starts["head",].counts) == first == 1
    started.start("head", 1.0)
    assert sum(history.read().starts["head",].counts) == 2


def test_a_cleared_history_is_counted_anew(started: FakeSource) -> None:
    history = History(started.paths.timeline)
    history.read()
    with Store(started.paths.timeline) as store:
        store.clear()
    assert not history.read().starts
    started.start("head", 1.0)
    assert sum(history.read().starts["head",].counts) == 1


def test_health_checks_that_failed(started: FakeSource) -> None:
    started.tell(Kind.HEALTH, "head", status="failing", reason="no answer (1/12)")
    started.tell(Kind.HEALTH, "head", status="healthy", reason="")
    assert dict(read(started).failed_checks) == {"head": 1}


def test_without_a_history_there_is_nothing(source: FakeSource) -> None:
    assert not History(source.paths.root / "none.db").read().runs
