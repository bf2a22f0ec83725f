"""What `status` shows, made from the event stream alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from daybreak.backends.base import Handle, State
from daybreak.health.serving import worst
from daybreak.services.base import Service
from daybreak.timeline.event import Event, Kind

NOTHING_RUNS = ("stopped", "crashed", "backing-off")
NOT_STARTED = ("waiting", "preparing")
MOST_TAIL = 5
# A service that is as it should be: it runs and is ready, or it has done its work.
FINE = ("ready", "completed")
AFTER_THE_END = (Kind.COMPLETED, Kind.EXITED, Kind.BACKING_OFF, Kind.HEALTH, Kind.SERVING)


@dataclass
class Row:
    """One service as people see it.

    `since` is seconds since 1970 of the last change of `state`. A service that failed keeps its reason, and `tail`, the
    lines that go with it, until it is started again: taking it down is no news beside that.
    """

    name: str
    tier: str
    state: str = "stopped"
    health: str = ""
    reason: str = ""
    pid: int | None = None
    instance: str | None = None
    generation: int | None = None
    since: float = 0.0
    started: float | None = None
    ready_after_s: float | None = None
    restarts: int = 0
    passed: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)


def _may_run(row: Row) -> bool:
    return row.state not in NOTHING_RUNS and (row.state != "failed" or row.instance is not None)


class Board:
    """The rows of every wanted service, kept up to date by events."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._unwanted: set[str] = set()
        # What the checks, and Serve itself, have told of a service that is ready.
        self._checked: dict[str, tuple[str, str]] = {}
        self._served: dict[str, tuple[str, str]] = {}

    def want(self, services: list[Service] | tuple[Service, ...]) -> None:
        """Take over the wanted services in their order; rows of others stay only while something runs."""
        old = self.rows
        self.rows = {}
        for service in services:
            row = old.pop(service.name, None) or Row(service.name, str(service.tier))
            row.tier = str(service.tier)
            row.urls = dict(service.urls)
            self.rows[service.name] = row
        self._unwanted = {name for name, row in old.items() if _may_run(row)}
        self.rows.update({name: old[name] for name in self._unwanted})

    def observe(self, handles: list[Handle]) -> None:
        """Fill in what a handle knows."""
        by_name = {handle.service: handle for handle in handles}
        for name, row in self.rows.items():
            handle = by_name.get(name)
            row.pid = handle.pid if handle and handle.state is State.RUNNING else None
            if handle:
                row.instance, row.generation, row.started = handle.instance, handle.generation, handle.started_wall

    def apply(self, event: Event) -> None:
        """Move one row according to an event, or what was not reached when a run ended."""
        if event.kind is Kind.RUN_ENDED:
            self._leave_out(event.wall)
        if event.service is None:
            return
        if event.kind in AFTER_THE_END and event.service not in self.rows:
            return  # it was told to stop meanwhile, and nobody wants it any more
        row = self.rows.setdefault(event.service, Row(event.service, ""))
        data = event.data
        before = row.state
        match event.kind:
            case Kind.WAITING:
                row.state, row.reason = "waiting", "for " + ", ".join(data.get("for", []))
            case Kind.PREPARING:
                row.state, row.reason = "preparing", str(data.get("name", ""))
            case Kind.STARTING:
                row.state, row.reason, row.health, row.passed = "starting", "", "", []
            case Kind.NOT_YET:
                row.reason = str(data.get("reason", ""))
            case Kind.GATE_PASSED:
                row.passed.append(str(data.get("gate", "")))
            case Kind.READY:
                row.state, row.reason, row.health = "ready", "", "healthy"
                row.ready_after_s = data.get("after_s")
            case Kind.ADOPTED:
                row.state, row.reason, row.health = "ready", "", "healthy"
                if data.get("done"):
                    row.state, row.health = "completed", ""
                elif not data.get("ready", True):
                    row.state, row.reason, row.health = "starting", "found running; not yet known to be ready", ""
            case Kind.STOPPING:
                if row.state != "failed":
                    row.state, row.reason = "stopping", str(data.get("why", ""))
            case Kind.STOPPED:
                if row.state != "failed":
                    row.state = "stopped"
                row.health, row.pid, row.instance, row.passed = "", None, None, []
                if event.service in self._unwanted:
                    del self.rows[event.service]
                    self._unwanted.discard(event.service)
            case Kind.FAILED:
                row.state, row.reason = "failed", str(data.get("reason", ""))
                row.tail = [str(line) for line in data.get("tail") or ()][-MOST_TAIL:]
            case Kind.COMPLETED:
                row.state, row.reason, row.health, row.pid = "completed", "", "", None
            case Kind.EXITED:
                row.state, row.reason, row.health, row.pid = "crashed", str(data.get("reason", "")), "", None
            case Kind.BACKING_OFF:
                row.state, row.restarts = "backing-off", int(data.get("restarts", 0))
            case Kind.HEALTH:
                self._checked[row.name] = (str(data.get("status", "")), str(data.get("reason", "")))
                self._show_health(row)
            case Kind.SERVING if row.state == "ready":
                self._served[row.name] = (str(data.get("status", "")), str(data.get("reason", "")))
                self._show_health(row)
            case _:
                return
        if row.state != before or event.kind in (Kind.READY, Kind.ADOPTED):
            self._checked.pop(row.name, None)
            self._served.pop(row.name, None)
        if row.state != before:
            row.since = event.wall
            if row.state != "failed":
                row.tail = []

    def _show_health(self, row: Row) -> None:
        """The worse of what the checks and Serve itself tell. That Serve does not tell is no fault of the service."""
        told = [self._checked.get(row.name, ("healthy", "")), self._served.get(row.name, ("healthy", ""))]
        row.health, row.reason = worst(*(one if one[0] != "unknown" else ("healthy", "") for one in told))

    def _leave_out(self, wall: float) -> None:
        """What still waits when a run ends is not going to start."""
        for row in self.rows.values():
            if row.state in NOT_STARTED:
                row.state, row.reason, row.since = "stopped", "not started", wall

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(row) for row in self.rows.values()]
