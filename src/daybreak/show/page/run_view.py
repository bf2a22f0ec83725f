"""A run as a chart of bars: one row a service, its phases along the time, the critical chain marked. Pure.

Places are in percent of the run's length, so the chart fits every width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from daybreak.show.text import seconds
from daybreak.timeline.chain import Link, Reached, critical_chain
from daybreak.timeline.event import Event, Outcome, is_first_response
from daybreak.timeline.phases import Ended, Phase, PhaseKind, phases
from daybreak.timeline.run import Run

# A phase of no time at all is still seen.
LEAST_PERCENT = 0.35
MOST_TICKS = 8
STEPS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
LOOKS = {
    PhaseKind.STOPPING: "stop",
    PhaseKind.BACKING_OFF: "wait",
    PhaseKind.WAITING: "wait",
    PhaseKind.PREPARING: "prepare",
}


@dataclass(frozen=True)
class Bar:
    """One phase: where, how it looks (`stop`, `wait`, `prepare`, `work`, `failed`), and what it was."""

    x: float
    width: float
    look: str
    words: str


@dataclass(frozen=True)
class Mark:
    """A stretch of the critical chain."""

    x: float
    width: float


@dataclass
class ServiceBars:
    """One service: its bars, its part of the critical chain, and when it was ready, stopped or failed."""

    service: str
    bars: list[Bar] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    end: str = ""
    took: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Tick:
    """A line at a round time."""

    x: float
    label: str


@dataclass(frozen=True)
class Step:
    """One link of the critical chain in words."""

    label: str
    reached: str
    took: str
    share: int
    mostly: str


@dataclass(frozen=True)
class Chart:
    """Everything of one run's picture. `chain` is in the order it happened."""

    rows: tuple[ServiceBars, ...]
    ticks: tuple[Tick, ...]
    chain: tuple[Step, ...]
    length: str
    first: Tick | None = None

    @property
    def empty(self) -> bool:
        return not self.rows


def chart(run: Run, events: Sequence[Event], now: float) -> Chart:
    """The picture of a run; one that is still under way ends at `now` (seconds since 1970)."""
    found = phases(events)
    running = run.outcome is Outcome.RUNNING
    last_s = max((event.at_s for event in events), default=0.0)
    length_s = max(last_s, now - run.began_wall) if running else max(last_s, run.duration_s or 0.0)
    length_s = max(length_s, 0.001)
    # Before the end nobody knows what the run will have waited for.
    links = [] if running else critical_chain(events)
    rows: dict[str, ServiceBars] = {}
    for phase in found:
        row = rows.setdefault(phase.service, ServiceBars(phase.service))
        _add(row, phase, length_s, running)
    for link in (link for link in links if link.service in rows):
        begin = 100 * link.released_s / length_s
        width = max(LEAST_PERCENT, 100 * link.took_s / length_s)
        rows[link.service].marks.append(Mark(round(begin, 3), round(width, 3)))
    order = {name: place for place, name in enumerate(_by_start(found))}
    ordered = sorted(rows.values(), key=lambda row: order[row.service])
    first = _first_response(run, events, length_s)
    return Chart(tuple(ordered), ticks(length_s), _steps(links, length_s), seconds(length_s), first)


def _by_start(found: Sequence[Phase]) -> list[str]:
    """The services in the order in which their own work began; those that were only stopped come last."""
    own = [phase for phase in found if LOOKS.get(phase.kind) not in ("stop", "wait")]
    return list(dict.fromkeys(phase.service for phase in (*own, *found)))


def _first_response(run: Run, events: Sequence[Event], length_s: float) -> Tick | None:
    """When the applications answered for the first time."""
    answered = (event.at_s for event in events if is_first_response(event))
    at_s = run.first_response_s if run.first_response_s is not None else next(answered, None)
    return None if at_s is None else Tick(round(100 * at_s / length_s, 3), seconds(at_s))


def _add(row: ServiceBars, phase: Phase, length_s: float, running: bool) -> None:
    goes_on = running and phase.ended is Ended.OPEN
    end_s = length_s if goes_on else phase.end_s
    x, width = 100 * phase.begin_s / length_s, 100 * (end_s - phase.begin_s) / length_s
    failed = phase.ended is Ended.FAILED
    look = "failed" if failed else LOOKS.get(phase.kind, "work")
    if phase.kind is not PhaseKind.READY or width >= LEAST_PERCENT:
        checks = f", {phase.attempts} checks" if phase.attempts > 1 else ""
        reason = f": {phase.reason}" if phase.reason else ""
        words = f"{phase.label} {seconds(end_s - phase.begin_s)}{checks}{reason}"
        row.bars.append(Bar(round(x, 3), round(max(width, LEAST_PERCENT), 3), look, words))
    row.failed = failed
    if goes_on:
        row.end, row.took = phase.name or str(phase.kind), seconds(end_s - phase.begin_s)
    else:
        word = {PhaseKind.READY: "ready", PhaseKind.STOPPING: "stopped"}.get(phase.kind, "")
        row.end, row.took = "failed" if failed else word or phase.name or str(phase.kind), seconds(end_s)


def ticks(length_s: float) -> tuple[Tick, ...]:
    """Round times, at most `MOST_TICKS`, none too close to the end."""
    step_s = next((step for step in STEPS_S if length_s / step <= MOST_TICKS), STEPS_S[-1])
    count = int(length_s * 0.97 / step_s)
    return tuple(Tick(round(100 * place * step_s / length_s, 3), _label(place * step_s)) for place in range(count + 1))


def _label(at_s: float) -> str:
    return "0" if at_s == 0 else f"{at_s:g} s" if at_s < 120 else f"{at_s / 60:g} min"


def _steps(links: Sequence[Link], length_s: float) -> tuple[Step, ...]:
    return tuple(
        Step(
            label=link.label,
            reached=str(link.reached if link.reached is not Reached.GATE else f"passed {link.gate}"),
            took=seconds(link.took_s),
            share=round(100 * link.took_s / length_s),
            mostly=f"{link.phase} {seconds(link.phase_s)}" if link.phase and link.phase_s else "",
        )
        for link in reversed(links)
    )
