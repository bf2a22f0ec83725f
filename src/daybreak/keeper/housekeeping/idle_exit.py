"""When the keeper leaves: nothing runs, nothing is under way, and nothing waits for its restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from daybreak.backends.base import Backend
from daybreak.errors import EngineError
from daybreak.keeper.background import Background
from daybreak.keeper.control.control_socket import ControlServer
from daybreak.keeper.runner import Runner
from daybreak.keeper.supervision.supervisor import Supervisor
from daybreak.paths import ClusterPaths

IDLE_EXIT_S = 1.0


@dataclass
class IdleExit:
    """Looks whenever something has ended; `done` is set when it is time. `unfinished` tells whether something is to be
    done that a killed keeper has begun, or an alert is on its way."""

    paths: ClusterPaths
    backend: Backend
    background: Background
    server: ControlServer
    runner: Runner
    supervisor: Supervisor
    unfinished: Callable[[], bool] = lambda: False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def look_soon(self) -> None:
        """A moment later, so that the next command of a script finds the keeper."""
        self.background.keep("leaving", self._look)

    async def idle(self) -> bool:
        """Is there nothing to look after?"""
        if self._busy:
            return False
        try:
            running = bool(await self.backend.observe())
        except EngineError:
            running = self.paths.containers.exists()  # nobody knows whether they run
        return not running and not self._busy

    @property
    def _busy(self) -> bool:
        return self.server.busy or self.runner.busy or bool(self.supervisor.busy) or self.unfinished()

    async def _look(self) -> None:
        await asyncio.sleep(IDLE_EXIT_S)
        if await self.idle():
            self.done.set()
