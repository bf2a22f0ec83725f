"""Jumps of the wall clock, found by comparing it with the clock that counts since boot."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence

from daybreak.backends.base import Handle
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, ok, warning
from daybreak.show.text import seconds
from daybreak.timeline.event import Event
from daybreak.timeline.reader import Reader
from daybreak.timeline.run import Run

# Both clocks are slewed together, so what differs is a step.
JUMP_S = 2.0
FUTURE_S = 5.0
RUNS = 5
MEND = ("timedatectl status", "sudo timedatectl set-ntp true")


def look(case: Case) -> Iterator[Finding]:
    """Since each running service was started, during the last runs, and in what they have recorded."""
    with Reader(case.paths.timeline) as store:
        runs = store.runs(limit=RUNS)
        events = {run.id: store.events(run.id) for run in runs}
    findings = [
        *_since_start(case.living),
        *in_future(runs, time.time()),
        *(found for run in runs for found in during_run(run.id, events[run.id])),
    ]
    yield from findings or [ok(f"no jump in {len(runs)} runs and since the start of {len(case.living)} services")]


def _since_start(handles: Iterable[Handle]) -> Iterator[Finding]:
    """The largest jump only: one jump shows in all services that were started before it."""
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    ticks = os.sysconf("SC_CLK_TCK")
    jumps = [(jump_s(handle, boot, ticks), handle.service) for handle in handles if handle.started_wall]
    yield from judge_jump(*max(jumps, key=lambda jump: abs(jump[0]), default=(0.0, "")))


def jump_s(handle: Handle, boot_wall: float, ticks_per_s: int) -> float:
    """By how much the wall clock was set (forward is positive) since the service was started.

    `boot_wall` is when the machine was booted by today's wall clock; the record tells what it was by that of then.
    """
    return boot_wall - (handle.started_wall - handle.started_ticks / ticks_per_s)


def judge_jump(jump: float, service: str) -> Iterator[Finding]:
    if abs(jump) > JUMP_S:
        yield warning(
            f"since {service} began the wall clock was set {_way(jump)} by {seconds(abs(jump))}",
            "times in logs and in `status` are wrong, certificates and tokens may expire; durations are not affected",
            *MEND,
        )


def _way(jump: float) -> str:
    return "forward" if jump > 0 else "back"


def during_run(run: int, events: Sequence[Event]) -> Iterator[Finding]:
    """Every event has both clocks; their difference stays the same unless one of them jumps."""
    offsets = [event.wall - event.at_s for event in events]
    jumps = [after - before for before, after in itertools.pairwise(offsets)]
    largest = max(jumps, key=abs, default=0.0)
    if abs(largest) > JUMP_S:
        yield warning(
            f"during run {run} the wall clock was set {_way(largest)} by {seconds(abs(largest))}",
            "its times of day are not in order; its durations are right",
            *MEND,
        )


def in_future(runs: Sequence[Run], now: float) -> Iterator[Finding]:
    """`now` is seconds since 1970."""
    ahead = max((run.began_wall for run in runs), default=0.0) - now
    if ahead > FUTURE_S:
        yield warning(
            f"the timeline has a run that begins in {seconds(ahead)}",
            "the wall clock was set back since: `perf history` and `logs --since` show it at the wrong time",
            *MEND,
        )
