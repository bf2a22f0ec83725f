"""How an event moves the status of its service, kind by kind. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from daybreak.states import Health, ServiceState
from daybreak.timeline.event import Kind
from daybreak.timeline.status import ServiceStatus

MOST_TAIL = 5
Data = Mapping[str, Any]
Move = Callable[[ServiceStatus, Data], ServiceStatus]


def _reason(data: Data) -> str:
    return str(data.get("reason", ""))


def _waiting(row: ServiceStatus, data: Data) -> ServiceStatus:
    return replace(row, state=ServiceState.WAITING, reason="for " + ", ".join(data.get("for", [])))


def _preparing(row: ServiceStatus, data: Data) -> ServiceStatus:
    return replace(row, state=ServiceState.PREPARING, reason=str(data.get("name", "")))


def _starting(row: ServiceStatus, _: Data) -> ServiceStatus:
    return replace(row, state=ServiceState.STARTING, reason="", health=Health.NOT_CHECKED, passed=())


def _not_yet(row: ServiceStatus, data: Data) -> ServiceStatus:
    return replace(row, reason=_reason(data))


def _gate_passed(row: ServiceStatus, data: Data) -> ServiceStatus:
    return replace(row, passed=(*row.passed, str(data.get("gate", ""))))


def _ready(row: ServiceStatus, data: Data) -> ServiceStatus:
    after_s = data.get("after_s")
    return replace(row, state=ServiceState.READY, reason="", health=Health.HEALTHY, ready_after_s=after_s)


def _adopted(row: ServiceStatus, data: Data) -> ServiceStatus:
    if data.get("done"):
        return _completed(row, data, pid=row.pid)
    if data.get("ready", True):
        return replace(row, state=ServiceState.READY, reason="", health=Health.HEALTHY)
    reason = "found running; not yet known to be ready"
    return replace(row, state=ServiceState.STARTING, reason=reason, health=Health.NOT_CHECKED)


def _stopping(row: ServiceStatus, data: Data) -> ServiceStatus:
    if row.state is ServiceState.FAILED:
        return row
    return replace(row, state=ServiceState.STOPPING, reason=str(data.get("why", "")))


def _stopped(row: ServiceStatus, _: Data) -> ServiceStatus:
    failed = row.state is ServiceState.FAILED
    state, passed = (row.state, row.passed) if failed else (ServiceState.STOPPED, ())
    return replace(row, state=state, health=Health.NOT_CHECKED, pid=None, instance=None, passed=passed)


def _not_ended(row: ServiceStatus, data: Data) -> ServiceStatus:
    why = f"{row.reason}; it is still there: " if row.state is ServiceState.FAILED else ""
    return replace(row, state=ServiceState.NOT_ENDED, reason=why + _reason(data))


def _unknown(row: ServiceStatus, data: Data) -> ServiceStatus:
    return replace(row, state=ServiceState.UNKNOWN, reason=_reason(data), health=Health.NOT_CHECKED)


def _failed(row: ServiceStatus, data: Data) -> ServiceStatus:
    tail = tuple(str(line) for line in data.get("tail") or ())[-MOST_TAIL:]
    return replace(row, state=ServiceState.FAILED, reason=_reason(data), tail=tail)


def _completed(row: ServiceStatus, data: Data, pid: int | None = None) -> ServiceStatus:
    took = f"done in {data['after_s']:.3g} s" if "after_s" in data else ""
    return replace(row, state=ServiceState.COMPLETED, reason=took, health=Health.NOT_CHECKED, pid=pid)


def _exited(row: ServiceStatus, data: Data) -> ServiceStatus:
    return replace(row, state=ServiceState.CRASHED, reason=_reason(data), health=Health.NOT_CHECKED, pid=None)


def _backing_off(row: ServiceStatus, data: Data) -> ServiceStatus:
    return replace(row, state=ServiceState.BACKING_OFF, restarts=int(data.get("restarts", 0)))


# Kinds that are not here move nothing.
MOVES: Mapping[Kind, Move] = {
    Kind.WAITING: _waiting,
    Kind.PREPARING: _preparing,
    Kind.STARTING: _starting,
    Kind.NOT_YET: _not_yet,
    Kind.GATE_PASSED: _gate_passed,
    Kind.READY: _ready,
    Kind.ADOPTED: _adopted,
    Kind.STOPPING: _stopping,
    Kind.STOPPED: _stopped,
    Kind.NOT_ENDED: _not_ended,
    Kind.UNKNOWN: _unknown,
    Kind.FAILED: _failed,
    Kind.COMPLETED: _completed,
    Kind.EXITED: _exited,
    Kind.BACKING_OFF: _backing_off,
}
