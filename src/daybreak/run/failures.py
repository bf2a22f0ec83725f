"""What fails in one run: each service once, told to the user, and to what shares its fate."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from daybreak.errors import DaybreakError, ServiceDied, WaitError
from daybreak.run.gates import Blocked, Gates
from daybreak.run.readiness import Readiness
from daybreak.services.service import Service, log_path
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder


class Failures:
    """By service. `serious` gets those that make the run a failure; `tasks` are what starts each service."""

    def __init__(
        self,
        services: Mapping[str, Service],
        tasks: Mapping[str, asyncio.Task[None]],
        gates: Gates,
        readiness: Readiness,
        record: Recorder,
        logs: Path,
        serious: list[DaybreakError],
    ) -> None:
        self._services = services
        self._tasks = tasks
        self._gates = gates
        self._readiness = readiness
        self._record = record
        self._logs = logs
        self._serious = serious
        self._found: dict[str, DaybreakError] = {}

    def __contains__(self, service: str) -> bool:
        return service in self._found

    def add(self, service: Service, error: DaybreakError) -> None:
        """Once: tell it, close what others wait for, and cancel what shares its fate."""
        if service.name in self._found:
            return
        self._found[service.name] = error
        self._gates.close(service.name)
        error.reword(self._readiness.redact)
        if isinstance(error, Blocked):
            self._record.emit(Kind.FAILED, service.name, reason=error.message, exit_code=None, log=None, tail=[])
        else:
            self._tell(service, error)
            if not service.optional:
                self._serious.append(error)
        for name, task in self._tasks.items():
            other = self._services.get(name)
            if other and service.name in other.bound_to() and name not in self._found:
                task.cancel()

    def culprit_of(self, service: Service) -> str | None:
        """The failed service whose fate this one shares; None where it was cancelled for another reason."""
        return next((name for name in service.bound_to() if name in self._found), None)

    def culprits(self) -> str:
        """The services that failed by themselves, as words."""
        return ", ".join(name for name, error in self._found.items() if not isinstance(error, Blocked)) or "something"

    def _tell(self, service: Service, error: DaybreakError) -> None:
        self._record.emit(
            Kind.FAILED,
            service.name,
            reason=error.message,
            exit_code=error.exit_code_of_service if isinstance(error, ServiceDied) else None,
            log=str(log_path(self._logs, service.name)),
            tail=list(error.tail) if isinstance(error, WaitError) else error.details(),
        )
