"""Why a run took as long as it did: the chain of services that each waited for the one before. Pure.

As in `systemd-analyze critical-chain`: making any link faster makes the run faster, anything else does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from daybreak.timeline.event import Event, Kind, Outcome
from daybreak.timeline.phases import Phase, PhaseKind, Start, Track, phases, replay

__all__ = ["Link", "Phase", "PhaseKind", "Reached", "critical_chain", "phases"]

# A start follows a stop, or a gate, within one turn of the event loop; what is further apart has another cause.
AT_ONCE_S = 0.05


class Reached(StrEnum):
    """What the next link, or the whole run, waited for."""

    READY = "ready"
    GATE = "gate"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Link:
    """One link: a service released after `released_s` (seconds since the run began) reached something `took_s` later.

    `gate` names what was reached where that is a gate. `phase` is the label of the phase that took most of the time
    and `phase_s` how long within this link; `attempts` are its checks. Empty and 0 where the events do not tell.
    """

    service: str
    reached: Reached
    released_s: float
    took_s: float
    gate: str = ""
    phase: str = ""
    phase_s: float = 0.0
    attempts: int = 0

    @property
    def label(self) -> str:
        return f"{self.service}.{self.gate}" if self.gate else self.service

    def to_json(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "reached": str(self.reached),
            "gate": self.gate,
            "released_s": self.released_s,
            "took_s": self.took_s,
            "phase": self.phase,
            "phase_s": self.phase_s,
            "attempts": self.attempts,
        }


@dataclass(frozen=True)
class _Step:
    """A try to start, and the moment of it that mattered."""

    start: Start
    reached: Reached
    at_s: float
    gate: str = ""


def critical_chain(events: Sequence[Event]) -> list[Link]:
    """The links from the last one (what the run ended with) back to the first.

    The last is the service that became ready last, or the one that failed first where the run did not end well. Empty
    where nothing became ready and nothing failed.
    """
    tracks = replay(events)
    step = _last(tracks, _ended_well(events))
    links: list[Link] = []
    seen: set[int] = set()
    while step is not None and id(step.start) not in seen:
        seen.add(id(step.start))
        before = _before(step.start, tracks)
        links.append(_link(step, before))
        if before is None:
            links += _stop_before(links[-1], tracks)
        step = before
    return links


def _ended_well(events: Sequence[Event]) -> bool:
    return any(event.kind is Kind.RUN_ENDED and event.data.get("outcome") == Outcome.OK for event in events)


def _last(tracks: dict[str, Track], ended_well: bool) -> _Step | None:
    """Where the chain ends. A failure that a later try made good does not count."""
    final = [track.starts[-1] for track in tracks.values() if track.starts]
    failed = [_Step(start, Reached.FAILED, start.failed_s) for start in final if start.failed_s is not None]
    if failed and not ended_well:
        return min(failed, key=lambda step: step.at_s)
    every = [start for track in tracks.values() for start in track.starts]
    ready = [_Step(start, Reached.READY, start.ready_s) for start in every if start.ready_s is not None]
    return max(ready, key=lambda step: step.at_s, default=None)


def _before(start: Start, tracks: dict[str, Track]) -> _Step | None:
    """The need that this start was released by; None where it waited for none, or its events are not here."""
    if start.last_need is None or start.running_s is None:
        return None
    service, _, gate = start.last_need.partition(".")
    track = tracks.get(service)
    met = [step for other in (track.starts if track else ()) if (step := _met(other, gate))]
    in_time = [step for step in met if step.at_s <= start.running_s + AT_ONCE_S]
    return max(in_time, key=lambda step: step.at_s, default=None)


def _met(start: Start, gate: str) -> _Step | None:
    if not gate:
        return None if start.ready_s is None else _Step(start, Reached.READY, start.ready_s)
    at_s = start.gate_s(gate)
    if at_s is None:
        # The one gate without an event of its own is passed by running at all.
        at_s = start.running_s
    return None if at_s is None else _Step(start, Reached.GATE, at_s, gate)


def _link(step: _Step, before: _Step | None) -> Link:
    released_s = min(_released_s(step.start, before, step.at_s), step.at_s)
    phase = max(
        (phase for phase in step.start.phases if phase.kind not in (PhaseKind.WAITING, PhaseKind.BACKING_OFF)),
        key=lambda phase: _within(phase, released_s, step.at_s),
        default=None,
    )
    return Link(
        service=step.start.service,
        reached=step.reached,
        released_s=released_s,
        took_s=step.at_s - released_s,
        gate=step.gate,
        phase=phase.label if phase else "",
        phase_s=_within(phase, released_s, step.at_s) if phase else 0.0,
        attempts=phase.attempts if phase else 0,
    )


def _released_s(start: Start, before: _Step | None, default_s: float) -> float:
    """When nothing kept the service from starting any more: its last need was met, else its own work began."""
    working = [p.begin_s for p in start.phases if p.kind not in (PhaseKind.WAITING, PhaseKind.BACKING_OFF)]
    began_s = min(working, default=default_s)
    if before is None:
        return began_s
    # A preparation may run while the service still waits, so its begin is no release.
    return before.at_s if start.running_s is None else min(before.at_s, start.running_s)


def _within(phase: Phase, begin_s: float, end_s: float) -> float:
    return max(0.0, min(phase.end_s, end_s) - max(phase.begin_s, begin_s))


def _stop_before(first: Link, tracks: dict[str, Track]) -> list[Link]:
    """The stop that the first start had to wait for, as in a restart in place: the one that ended just before it."""
    stops = [stop for track in tracks.values() for stop in track.stops]
    just_before = [stop for stop in stops if 0 <= first.released_s - stop.end_s <= AT_ONCE_S]
    if not just_before:
        return []
    stop = max(just_before, key=lambda stop: stop.end_s)
    return [
        Link(stop.service, Reached.STOPPED, stop.begin_s, stop.duration_s, phase="stopping", phase_s=stop.duration_s)
    ]
