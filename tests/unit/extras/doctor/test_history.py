"""What the timeline tells: failed runs, starts that grew slower, and clocks that jumped."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from daybreak.extras.doctor.diagnoses import clock, last_run, slow_start
from daybreak.extras.doctor.finding import Severity
from daybreak.paths import ClusterPaths
from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.store import Store
from tests.unit.extras.doctor.conftest import MakeCase, of, process, record


def start(
    store: Store,
    imports_s: float,
    *,
    kind: RunKind = RunKind.STARTUP,
    outcome: Outcome = Outcome.OK,
    warm: bool = True,
    wall: float | None = None,
    jump_s: float = 0.0,
    error: str | None = None,
) -> int:
    """A start of a head and an application, as the keeper records one; the application's imports take this long.

    It was an hour ago, unless `wall` says otherwise.
    """
    wall = time.time() - 3600 if wall is None else wall
    run = store.begin_run(kind, workers=1, warm=warm, versions={}, machine={}, spec_digest="", wall=wall)
    head_s, ready_s = 1.0, 1.0 + imports_s

    def tell(kind: Kind, at_s: float, service: str | None = None, **data: Any) -> None:
        # The clock jumps while the application is imported.
        store.add(Event(kind, at_s, wall + at_s + (jump_s if at_s > head_s else 0.0), service, run, data))

    tell(Kind.RUN_BEGAN, 0.0)
    tell(Kind.STARTING, 0.01, "head", waited_s=0.0, last_need=None)
    tell(Kind.GATE_PASSED, head_s, "head", gate="gcs", attempts=3)
    tell(Kind.READY, head_s, "head", after_s=head_s)
    tell(Kind.STARTING, head_s, "serve", waited_s=head_s, last_need="head.gcs")
    tell(Kind.GATE_PASSED, ready_s, "serve", gate="submitted", attempts=9)
    tell(Kind.READY, ready_s, "serve", after_s=imports_s)
    tell(Kind.RUN_ENDED, ready_s, outcome=str(outcome), duration_s=ready_s)
    store.end_run(run, outcome, ready_s, error=error)
    return run


@pytest.fixture
def store(paths: ClusterPaths) -> Any:
    with Store(paths.timeline) as made:
        yield made


def test_a_slow_start_names_the_phase_that_grew(make_case: MakeCase, store: Store) -> None:
    of(slow_start.look(make_case()), Severity.OK)
    for imports_s in (2.0, 2.1, 1.9, 2.0, 2.05):
        start(store, imports_s)
    of(slow_start.look(make_case()), Severity.OK)
    start(store, 6.5)
    found = of(slow_start.look(make_case()), Severity.WARNING)
    assert found.found == (
        "the last startup with 1 worker (warm) took 7.50 s, 3.00 s is usual; "
        "serve, gate submitted, has grown from 2.00 s to 6.50 s"
    )
    start(store, 2.0)
    of(slow_start.look(make_case()), Severity.OK)


def test_only_starts_of_the_same_kind_are_compared_and_few_say_nothing(make_case: MakeCase, store: Store) -> None:
    for imports_s in (2.0, 2.1, 1.9, 2.0, 2.05):
        start(store, imports_s)
    start(store, 9.0, warm=False)
    start(store, 9.0, kind=RunKind.RESTART)
    start(store, 9.0, outcome=Outcome.FAILED)
    of(slow_start.look(make_case()), Severity.OK)


def test_a_trend_is_a_note(make_case: MakeCase, store: Store) -> None:
    for number in range(8):
        start(store, 2.0 + number * 0.1)
    assert "longer than the one before" in of(slow_start.look(make_case()), Severity.NOTE).found


def test_the_last_run_that_was_to_make_something_run(make_case: MakeCase, store: Store) -> None:
    of(last_run.look(make_case()), Severity.OK)
    start(store, 2.0, outcome=Outcome.FAILED, error="serve failed: no weights")
    start(store, 0.1, kind=RunKind.STOP)
    found = of(last_run.look(make_case()), Severity.WARNING)
    assert "the last startup failed 60 min ago: serve failed: no weights" in found.found
    start(store, 2.0)
    of(last_run.look(make_case()), Severity.OK)


def test_a_clock_that_was_set_during_a_run(make_case: MakeCase, store: Store) -> None:
    start(store, 2.0)
    of(clock.look(make_case()), Severity.OK)
    run = start(store, 2.0, jump_s=-90.0)
    found = of(clock.look(make_case()), Severity.WARNING)
    assert found.found == f"during run {run} the wall clock was set back by 90.0 s"


def test_a_timeline_of_the_future(make_case: MakeCase, store: Store) -> None:
    start(store, 2.0, wall=time.time() + 7200)
    assert "begins in" in of(clock.look(make_case()), Severity.WARNING).found


@pytest.mark.parametrize(("set_by_s", "way"), [(3600.0, "forward by 60m 00s"), (-45.0, "back by 45.0 s")])
def test_a_clock_that_was_set_since_a_service_began(
    make_case: MakeCase, paths: ClusterPaths, set_by_s: float, way: str
) -> None:
    with process("redis") as started:
        # By the kernel's own count: the wall clock, asked here, is late on a busy machine.
        ticks = record(paths, "redis", started.pid).started_ticks
        boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        began = boot + ticks / os.sysconf("SC_CLK_TCK")
        record(paths, "redis", started.pid, started_wall=began)
        of(clock.look(make_case()), Severity.OK)
        record(paths, "redis", started.pid, started_wall=began - set_by_s)
        found = of(clock.look(make_case()), Severity.WARNING)
    assert found.found == f"since redis began the wall clock was set {way}"
