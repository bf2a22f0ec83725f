"""The template that `down --keep-warm` has left ends when its time is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
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
    """One cluster's; `down` stops what there is."""

    backend: Backend
    followers: Followers
    runner: Runner
    down: Callable[[Request, Operation], Awaitable[Any]]

    async def once(self) -> None:
        """Raises DaybreakError where it does not end: then it is tried again."""
        state = self.followers.desired.state
        if state is None or state.warm_until is None or self.runner.busy:
            return
        running = await self.backend.observe()
        if self.runner.busy:
            return
        if not running or any(handle.tier != Tier.WARM for handle in running):
            # Something was started meanwhile, or ended it.
            self.followers.desired.change(warm_until=None)
        elif time.time() >= state.warm_until:
            log.info("the template was kept long enough")
            operation = Operation("down")
            operation.start(partial(self.down, Request("down", hooks=False)))
            await operation.answer()
