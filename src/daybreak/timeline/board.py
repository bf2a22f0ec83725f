"""What `status` shows, made from the event stream alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from daybreak.states import NOT_STARTED, NOTHING_RUNS, Health, ServiceState, worst
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.moves import MOVES
from daybreak.timeline.status import ServiceStatus

if TYPE_CHECKING:
    # Commands have a board, too, and need not wait for what backends are made of.
    from daybreak.backends.base import Handle
    from daybreak.services.service import Service

AFTER_THE_END = (Kind.COMPLETED, Kind.EXITED, Kind.BACKING_OFF, Kind.HEALTH, Kind.SERVING)
HealthAndReason = tuple[Health, str]
ALL_WELL: HealthAndReason = (Health.HEALTHY, "")


def _may_run(row: ServiceStatus) -> bool:
    return row.state not in NOTHING_RUNS and (row.state is not ServiceState.FAILED or row.instance is not None)


def _observed(row: ServiceStatus, handle: Handle | None) -> ServiceStatus:
    if handle is None:
        return replace(row, pid=None)
    return replace(
        row,
        pid=handle.running_pid,
        instance=handle.instance,
        generation=handle.generation,
        started=handle.started_wall,
    )


class Board:
    """The status of every wanted service, kept up to date by events."""

    def __init__(self) -> None:
        self.rows: dict[str, ServiceStatus] = {}
        self._unwanted: set[str] = set()
        # What the checks, and Serve itself, have told of a service that is ready.
        self._checked: dict[str, HealthAndReason] = {}
        self._served: dict[str, HealthAndReason] = {}

    def clear(self) -> None:
        """Nothing is wanted, and nothing there."""
        for kept in (self.rows, self._unwanted, self._checked, self._served):
            kept.clear()

    def want(self, services: Sequence[Service]) -> None:
        """Take over the wanted services in their order; rows of others stay only while something runs."""
        old = self.rows
        self.rows = {}
        for service in services:
            row = old.pop(service.name, None) or ServiceStatus(service.name)
            self.rows[service.name] = replace(row, tier=str(service.tier), group=service.group, urls=dict(service.urls))
        self._unwanted = {name for name, row in old.items() if _may_run(row)}
        self.rows.update({name: old[name] for name in self._unwanted})

    def observe(self, handles: Sequence[Handle]) -> None:
        """Fill in what a handle knows."""
        by_name = {handle.service: handle for handle in handles}
        for name, row in self.rows.items():
            self.rows[name] = _observed(row, by_name.get(name))

    def apply(self, event: Event) -> None:
        """Move one row according to an event, or what was not reached when a run ended."""
        if event.kind is Kind.RUN_ENDED:
            self._leave_out(event.wall)
        if event.service is None:
            return
        if event.kind in AFTER_THE_END and event.service not in self.rows:
            return  # it was told to stop meanwhile, and nobody wants it any more
        before = self.rows.setdefault(event.service, ServiceStatus(event.service))
        if event.kind in (Kind.HEALTH, Kind.SERVING):
            self._hear(before, event)
        elif move := MOVES.get(event.kind):
            self._become(before, move(before, event.data), event)

    def _become(self, before: ServiceStatus, after: ServiceStatus, event: Event) -> None:
        """A row has moved: what was told of the state before counts no more."""
        name, moved = before.name, after.state is not before.state
        if moved or event.kind in (Kind.READY, Kind.ADOPTED):
            self._checked.pop(name, None)
            self._served.pop(name, None)
        if moved:
            kept = after.tail if after.state is ServiceState.FAILED else ()
            after = replace(after, since=event.wall, tail=kept)
        self.rows[name] = after
        if event.kind is Kind.STOPPED and name in self._unwanted:
            del self.rows[name]
            self._unwanted.discard(name)

    def _hear(self, row: ServiceStatus, event: Event) -> None:
        """The worse of what the checks and Serve itself tell. That Serve does not tell is no fault of the service."""
        if event.kind is Kind.SERVING and row.state is not ServiceState.READY:
            return
        told = self._checked if event.kind is Kind.HEALTH else self._served
        level = Health(event.data.get("status", ""))
        told[row.name] = ALL_WELL if level is Health.NOT_CHECKED else (level, str(event.data.get("reason", "")))
        health, reason = worst(self._checked.get(row.name, ALL_WELL), self._served.get(row.name, ALL_WELL))
        self.rows[row.name] = replace(row, health=health, reason=reason)

    def _leave_out(self, wall: float) -> None:
        """What still waits when a run ends is not going to start."""
        for name, row in self.rows.items():
            if row.state in NOT_STARTED:
                self.rows[name] = replace(row, state=ServiceState.STOPPED, reason="not started", since=wall)
