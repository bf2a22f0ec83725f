"""What is left of a service that has ended, such as the children of a killed process."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet

from daybreak.backends.base import Backend, Handle
from daybreak.errors import DaybreakError, EngineError
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

# Between attempts to reach an engine that is away.
ENGINE_AGAIN_S = 1.0


class LeftoverProcesses:
    """It must go before the service can be started again."""

    def __init__(self, backend: Backend, record: Recorder) -> None:
        self._backend = backend
        self._record = record
        self._ending: dict[str, asyncio.Task[None]] = {}

    @property
    def services(self) -> AbstractSet[str]:
        """Those of which something is still being ended."""
        return self._ending.keys()

    async def end(self, service: str, handle: Handle) -> None:
        """End it, however long the engine is away meanwhile. Raises DaybreakError for what does not end: then the
        service stays among `services`, and the caller does this again."""
        if task := asyncio.current_task():
            self._ending[service] = task
        while True:
            try:
                await self._backend.stop(handle)
                break
            except EngineError as error:  # whatever it is, it waits until the engine is back
                self._record.emit(Kind.UNKNOWN, service, reason=error.message)
                await asyncio.sleep(ENGINE_AGAIN_S)
            except DaybreakError as error:
                self._record.emit(Kind.NOT_ENDED, service, reason=error.message)
                raise
        self._ending.pop(service, None)

    def leave(self, service: str) -> None:
        """Somebody else sees to it."""
        if ending := self._ending.pop(service, None):
            ending.cancel()

    def close(self) -> None:
        for task in self._ending.values():
            task.cancel()
