"""The template that `down --keep-warm` has left ends when its time is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from daybreak.backends.base import Backend
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.runner import Operation, Runner
from daybreak.services.service import Tier

INTERVAL_S = 1.0
log = logging.getLogger(__name__)


@dataclass
class WarmTime:
    """One cluster's; `stop` stops what there is, for an operation that has its turn."""

    backend: Backend
    followers: Followers
    runner: Runner
    stop: Callable[[Request, Operation], Awaitable[Any]]

    async def once(self) -> None:
        """Raises DaybreakError where it does not end: then it is tried again."""
        if self.runner.busy or not self._is_kept:
            return
        operation = Operation("end of the warm template")
        operation.start(self._look)
        await operation.answer()

    @property
    def _is_kept(self) -> bool:
        state = self.followers.desired.state
        return state is not None and state.warm_until is not None

    async def _look(self, operation: Operation) -> None:
        """In its turn, since a command may have begun meanwhile: what that starts ends nothing."""
        async with self.runner.turn(operation):
            state = self.followers.desired.state
            if state is None or state.warm_until is None:
                return
            running = await self.backend.observe()
            if not running or any(handle.tier != Tier.WARM for handle in running):
                self.followers.desired.change(warm_until=None)
            elif time.time() >= state.warm_until:
                log.info("the template was kept long enough")
                await self.stop(Request("down"), operation)
