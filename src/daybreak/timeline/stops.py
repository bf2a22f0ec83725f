"""When services were asked to end, for whoever must tell that from a crash."""

from __future__ import annotations

from pathlib import Path

from daybreak.timeline.event import Kind
from daybreak.timeline.reader import Reader

# What a process says so long after it was asked to end is about its end.
PARTING_S = 15.0
LOOKED_AT = 300


def was_asked_to_stop(timeline: Path, service: str, at: float) -> bool:
    """Whether a service had been asked to end shortly before `at` (seconds since 1970)."""
    with Reader(timeline) as store:
        stops = store.recent(LOOKED_AT, (Kind.STOPPING,))
    return any(stop.service == service and 0 <= at - stop.wall <= PARTING_S for stop in stops)
