"""Where the seconds of one run went, service by service. Pure: from events to phases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from daybreak.timeline.event import Event, Kind


class PhaseKind(StrEnum):
    """What a service, or daybreak on its behalf, was doing."""

    STOPPING = "stopping"
    BACKING_OFF = "backing off"
    WAITING = "waiting"  # for what it needs
    PREPARING = "preparing"
    STARTING = "starting"  # until its process ran; until ready where no gate is known
    GATE = "gate"
    READY = "ready"  # from the last gate until ready; next to nothing except for a one-shot, which ends here


class Ended(StrEnum):
    """How a phase ended. OPEN: it was cut off, or the events end before it did."""

    DONE = "done"
    FAILED = "failed"
    OPEN = "open"


@dataclass(frozen=True)
class Phase:
    """A stretch of time of one service; `begin_s` and `end_s` are seconds since the run began.

    `name` is the gate's, or the preparation's. `attempts` counts a gate's checks (0 where unknown) and `poll_s` is the
    last interval slept between them: how much later than true the end may be. `reason` is the last one heard.
    """

    service: str
    kind: PhaseKind
    begin_s: float
    end_s: float
    name: str = ""
    attempts: int = 0
    poll_s: float | None = None
    ended: Ended = Ended.DONE
    reason: str | None = None

    @property
    def duration_s(self) -> float:
        return self.end_s - self.begin_s

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}" if self.name else str(self.kind)

    def to_json(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "kind": str(self.kind),
            "name": self.name,
            "begin_s": self.begin_s,
            "end_s": self.end_s,
            "attempts": self.attempts,
            "poll_s": self.poll_s,
            "ended": str(self.ended),
            "reason": self.reason,
        }


@dataclass
class Start:
    """One try to start a service: its phases, and the moments that others depend on (None until they happened)."""

    service: str
    phases: list[Phase] = field(default_factory=list)
    running_s: float | None = None
    ready_s: float | None = None
    failed_s: float | None = None
    last_need: str | None = None

    def gate_s(self, name: str) -> float | None:
        """When a gate was passed."""
        passed = (p for p in self.phases if p.kind is PhaseKind.GATE and p.name == name and p.ended is Ended.DONE)
        return next((phase.end_s for phase in passed), None)


def phases(events: Iterable[Event]) -> list[Phase]:
    """Every phase of every service, in the order they began. Events that are missing make phases fewer or longer."""
    found = [phase for track in replay(events).values() for phase in track.phases]
    return sorted(found, key=lambda phase: (phase.begin_s, phase.end_s))


def replay(events: Iterable[Event]) -> dict[str, Track]:
    """The track of each service, by name, after the events of one run."""
    ordered = sorted(events, key=lambda event: event.at_s)
    tracks: dict[str, Track] = {}
    for event in ordered:
        if event.service is not None:
            tracks.setdefault(event.service, Track(event.service)).feed(event)
    for track in tracks.values():
        track.finish(ordered[-1].at_s)
    return tracks


class Track:
    """The phases of one service while its events are read in order."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.starts: list[Start] = []
        self.stops: list[Phase] = []
        self._stopping_s: float | None = None
        self._start: Start | None = None
        self._kind = PhaseKind.WAITING
        self._since_s = 0.0
        self._name = ""
        self._reason: str | None = None

    @property
    def phases(self) -> list[Phase]:
        return self.stops + [phase for start in self.starts for phase in start.phases]

    def feed(self, event: Event) -> None:
        """Take the next event of this service; kinds that say nothing about starting or stopping are passed over."""
        at_s, data = event.at_s, event.data
        match event.kind:
            case Kind.BACKING_OFF:
                self._give_up(at_s, Ended.OPEN)
                self._enter(PhaseKind.BACKING_OFF, at_s)
            case Kind.WAITING:
                self._enter(PhaseKind.WAITING, at_s)
                self._reason = _needs(data.get("for"))
            case Kind.PREPARING:
                self._enter(PhaseKind.PREPARING, at_s, text(data.get("name")))
            case Kind.STARTING:
                self._running(at_s, data)
            case Kind.NOT_YET:
                self._not_yet(data)
            case Kind.GATE_PASSED:
                self._gate_passed(at_s, data)
            case Kind.READY:
                self._ready(at_s, data)
            case Kind.FAILED | Kind.EXITED:
                self._failed(event)
            case Kind.STOPPING:
                self._give_up(at_s, Ended.OPEN)
                self._stopping_s = at_s
            case Kind.STOPPED:
                self._stopped(at_s, Ended.DONE)

    def finish(self, at_s: float) -> None:
        """Close what is still open: the run ended, or its events do."""
        self._give_up(at_s, Ended.OPEN)
        self._stopped(at_s, Ended.OPEN)

    def _enter(self, kind: PhaseKind, at_s: float, name: str = "") -> None:
        """Begin a phase of the current try, or of a new one, at the end of the phase before."""
        if self._start is None:
            self._start = Start(self.service)
            self.starts.append(self._start)
        else:
            self._close(at_s)
        self._kind, self._since_s, self._name, self._reason = kind, at_s, name, None

    def _close(self, at_s: float, ended: Ended = Ended.DONE, attempts: int = 0, poll_s: float | None = None) -> None:
        if self._start is None:
            return
        passing = self._kind is not PhaseKind.READY and ended is Ended.DONE
        if passing and at_s <= self._since_s and not attempts:
            return
        end_s = max(at_s, self._since_s)
        reason = self._reason
        self._start.phases.append(
            Phase(self.service, self._kind, self._since_s, end_s, self._name, attempts, poll_s, ended, reason)
        )

    def _running(self, at_s: float, data: Mapping[str, Any]) -> None:
        waited_s = number(data.get("waited_s"))
        if waited_s is not None:
            waited_s = max(0.0, waited_s)
        if self._start is not None and self._start.running_s is not None:
            self._give_up(at_s, Ended.OPEN)
        if self._start is not None and self._kind is PhaseKind.WAITING and waited_s is not None:
            # The event comes when the process runs: what lies between is the work of starting it.
            self._enter(PhaseKind.STARTING, min(at_s, self._since_s + waited_s))
        elif self._start is None and waited_s:
            self._enter(PhaseKind.WAITING, max(0.0, at_s - waited_s))
        self._enter(PhaseKind.STARTING, at_s)
        if self._start is not None:
            need = data.get("last_need")
            self._start.last_need = need if isinstance(need, str) else None
            self._start.running_s = at_s

    def _not_yet(self, data: Mapping[str, Any]) -> None:
        if self._start is not None and self._kind in (PhaseKind.STARTING, PhaseKind.GATE):
            self._kind, self._name = PhaseKind.GATE, text(data.get("gate"))
            self._reason = text(data.get("reason")) or None

    def _gate_passed(self, at_s: float, data: Mapping[str, Any]) -> None:
        self._supposed(at_s, data)
        self._kind, self._name, self._reason = PhaseKind.GATE, text(data.get("gate")), None
        # A gate passed at once is kept: it took no time, but others may have waited for it.
        self._close(at_s, attempts=int(number(data.get("attempts")) or 1), poll_s=number(data.get("poll_s")))
        self._kind, self._since_s, self._name = PhaseKind.STARTING, at_s, ""

    def _ready(self, at_s: float, data: Mapping[str, Any]) -> None:
        self._supposed(at_s, data)
        if self._start is None:
            return
        passed_gate = any(phase.kind is PhaseKind.GATE for phase in self._start.phases)
        if self._kind is not PhaseKind.STARTING or not passed_gate:
            self._close(at_s)
            self._since_s = at_s
        self._kind, self._name, self._reason = PhaseKind.READY, "", None
        self._close(at_s)
        self._start.ready_s = at_s
        self._start = None

    def _supposed(self, at_s: float, data: Mapping[str, Any]) -> None:
        """Where no event of the start was seen, suppose it from the time that this one says has passed since."""
        if self._start is None:
            self._enter(PhaseKind.STARTING, max(0.0, at_s - (number(data.get("after_s")) or 0.0)))

    def _failed(self, event: Event) -> None:
        if self._start is None:
            if event.kind is Kind.EXITED:
                return  # it was running, not starting
            self._enter(PhaseKind.STARTING, event.at_s)
        self._reason = text(event.data.get("reason")) or self._reason
        if self._start is not None:
            self._start.failed_s = event.at_s
        self._give_up(event.at_s, Ended.FAILED)

    def _give_up(self, at_s: float, ended: Ended) -> None:
        self._close(at_s, ended)
        self._start = None

    def _stopped(self, at_s: float, ended: Ended) -> None:
        if self._stopping_s is not None:
            self.stops.append(Phase(self.service, PhaseKind.STOPPING, self._stopping_s, at_s, ended=ended))
            self._stopping_s = None


def number(value: object) -> float | None:
    """A number out of event data; None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _needs(value: object) -> str | None:
    names = [name for name in value if isinstance(name, str)] if isinstance(value, list | tuple) else []
    return f"for {', '.join(names)}" if names else None


def text(value: object) -> str:
    """A string out of event data; empty for anything else."""
    return value if isinstance(value, str) else ""
