"""The timeline as numbers that only grow: histograms and counters, for Prometheus.

They are read from the history on disk, so they go on where an earlier keeper's ended.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from daybreak.states import Health
from daybreak.timeline.event import Event, Kind, Outcome, RunKind, is_first_response
from daybreak.timeline.phases import number, text
from daybreak.timeline.reader import Mark, Reader

BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0)
READ = (
    Kind.RUN_BEGAN,
    Kind.RUN_ENDED,
    Kind.STARTING,
    Kind.READY,
    Kind.STOPPING,
    Kind.STOPPED,
    Kind.FAILED,
    Kind.EXITED,
    Kind.BACKING_OFF,
    Kind.HEALTH,
)
AT_ONCE = 2000
COMMAND = "command"
CRASH = "crash"


@dataclass
class Histogram:
    """Durations in seconds, counted by `BOUNDS_S` (upper bounds, inclusive) and one place for what is longer."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    def observe(self, value_s: float) -> None:
        self.counts[bisect_left(BOUNDS_S, value_s)] += 1
        self.sum_s += value_s

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bounds and cumulative counts, as Prometheus has them."""
        total, made = 0, []
        for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], self.counts, strict=True):
            total += count
            made.append((bound, float(total)))
        return made


Histograms = defaultdict[tuple[str, ...], Histogram]


def _histograms() -> Histograms:
    return defaultdict(Histogram)


@dataclass(frozen=True)
class _Run:
    """The run under way."""

    id: int
    kind: str
    start: str


@dataclass(frozen=True)
class Last:
    """The newest first response: how long it took, and when it came (seconds since 1970)."""

    took_s: float
    wall: float


@dataclass(frozen=True)
class _Gone:
    """When and why a service stopped being there."""

    wall: float
    cause: str


class Tally:
    """The numbers, and how far the history was read. Keys are the labels' values, in the order of the metrics."""

    def __init__(self) -> None:
        self.starts = _histograms()  # service
        self.waits = _histograms()  # service
        self.stops = _histograms()  # service
        self.restarts = _histograms()  # service, cause
        self.run_durations = _histograms()  # kind, start
        self.first_responses = _histograms()  # kind, start
        self.last_responses: dict[tuple[str, ...], Last] = {}  # kind, start
        self.runs: Counter[tuple[str, str, str]] = Counter()  # kind, start, outcome
        self.crashes: Counter[str] = Counter()
        self.failed_starts: Counter[str] = Counter()
        self.recoveries: Counter[str] = Counter()
        self.failed_checks: Counter[str] = Counter()
        self._run: _Run | None = None
        self._gone: dict[str, _Gone] = {}

    def feed(self, events: Iterable[Event]) -> None:
        """Count further events, in the order they happened."""
        for event in events:
            if event.service is None:
                self._of_run(event)
            else:
                self._of_service(event, event.service)

    def _of_run(self, event: Event) -> None:
        data = event.data
        if event.kind is Kind.RUN_BEGAN and event.run is not None:
            if self._run:
                # Its keeper died before it could say how the run ended.
                self._count(self._run, Outcome.INTERRUPTED)
            self._run = _Run(event.run, text(data.get("run_kind")), "warm" if data.get("warm") else "cold")
        elif event.kind is Kind.RUN_ENDED and self._run and event.run == self._run.id:
            self._count(self._run, text(data.get("outcome")))
            duration_s = number(data.get("duration_s"))
            if data.get("outcome") == Outcome.OK and duration_s is not None:
                self.run_durations[self._run.kind, self._run.start].observe(duration_s)
            self._run = None

    def _count(self, run: _Run, outcome: str) -> None:
        self.runs[run.kind, run.start, str(outcome)] += 1

    def _of_service(self, event: Event, service: str) -> None:
        data = event.data
        match event.kind:
            case Kind.STARTING:
                self._observe(self.waits[service,], data.get("waited_s"))
            case Kind.READY:
                self._observe(self.starts[service,], data.get("after_s"))
                self._back(event, service)
                if is_first_response(event) and self._run and self._run.kind != RunKind.RECOVERY:
                    self.first_responses[self._run.kind, self._run.start].observe(event.at_s)
                    self.last_responses[self._run.kind, self._run.start] = Last(event.at_s, event.wall)
            case Kind.STOPPING:
                if self._run is None or self._run.kind == RunKind.STOP:
                    self._gone.pop(service, None)
                else:
                    self._gone.setdefault(service, _Gone(event.wall, COMMAND))
            case Kind.STOPPED:
                self._observe(self.stops[service,], data.get("after_s"))
            case Kind.EXITED:
                self.crashes[service] += 1
                self._gone[service] = _Gone(event.wall, CRASH)
            case Kind.FAILED:
                self.failed_starts[service] += 1
            case Kind.BACKING_OFF:
                self.recoveries[service] += 1
                # A service that is replaced because it is unhealthy has not ended.
                self._gone.setdefault(service, _Gone(event.wall, CRASH))
            case Kind.HEALTH if data.get("status") != Health.HEALTHY:
                self.failed_checks[service] += 1

    def _back(self, event: Event, service: str) -> None:
        gone = self._gone.pop(service, None)
        if gone and event.wall >= gone.wall:
            self.restarts[service, gone.cause].observe(event.wall - gone.wall)

    @staticmethod
    def _observe(histogram: Histogram, value: object) -> None:
        value_s = number(value)
        if value_s is not None and value_s >= 0:
            histogram.observe(value_s)


class History:
    """The tally of a timeline, read further each time. To be used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = Mark()
        self._tally = Tally()

    def read(self) -> Tally:
        """Count what has come since; a history that was cleared is counted from its new beginning."""
        with Reader(self._path) as store:
            while True:
                found = store.after(self._mark, READ, AT_ONCE)
                if found is None:
                    self._mark, self._tally = Mark(), Tally()
                    continue
                events, self._mark = found
                if not events:
                    return self._tally
                self._tally.feed(events)
