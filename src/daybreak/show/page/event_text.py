"""Events and log lines as people read them. Pure."""

from __future__ import annotations

import time

from daybreak.show.progress import line
from daybreak.show.text import ABSENT, harmless, seconds
from daybreak.states import Health, ServiceState
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.phases import number, text

NO_TROUBLE = (Health.HEALTHY, ServiceState.UNKNOWN)
MOST_CHARACTERS = 4000


def clean(raw: str) -> str:
    """A harmless line, cut where it is very long."""
    shown = harmless(raw)
    if len(shown) <= MOST_CHARACTERS:
        return shown
    return f"{shown[:MOST_CHARACTERS]} … ({len(shown) - MOST_CHARACTERS} more characters)"


def sentence(event: Event) -> str:
    """An event in words, without its service's name."""
    data = event.data
    match event.kind:
        case Kind.RUN_BEGAN:
            return f"run {event.run} began: {text(data.get('run_kind'))}"
        case Kind.RUN_ENDED:
            why = f": {data['error']}" if data.get("error") else ""
            outcome = "done" if data.get("outcome") == "ok" else text(data.get("outcome"))
            return clean(f"run {event.run} {outcome} after {seconds(number(data.get('duration_s')))}{why}")
        case Kind.PLANNED:
            parts = [f"{word} {len(data[word])}" for word in ("stop", "start", "keep") if data.get(word)]
            return f"planned: {', '.join(parts) or 'nothing to do'}"
        case Kind.WAITING:
            return f"waiting for {', '.join(map(str, data.get('for') or ()))}"
        case Kind.SERVING if data.get("status") == Health.HEALTHY:
            return "applications healthy"
        case Kind.NOTE:
            return clean(text(data.get("text")))
        case _:
            return clean(line(event) or str(event.kind).replace("_", " "))


def tone(event: Event) -> str:
    """`bad`, `good` or nothing: what must catch the eye."""
    if event.kind in (Kind.FAILED, Kind.EXITED):
        return "bad"
    if event.kind is Kind.RUN_ENDED and event.data.get("outcome") != "ok":
        return "bad"
    if event.kind in (Kind.HEALTH, Kind.SERVING) and event.data.get("status") not in NO_TROUBLE:
        return "bad"
    if event.kind is Kind.NOTE and event.data.get("level") in ("warning", "error"):
        return "bad"
    return "good" if event.kind is Kind.READY else ""


def stamp(wall: float) -> str:
    """For programs: ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(wall))


def or_nothing(value_s: float | None) -> str:
    """A duration; an empty text where there is none."""
    found = seconds(value_s)
    return "" if found == ABSENT else found
