"""From one generation to the next one, where both run side by side: what `Execution` asks for in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from daybreak.backends.base import Handle
from daybreak.run.gates import Gates
from daybreak.run.plan import DRAINED, SWITCHED, Start
from daybreak.services.service import Tier


class Handover(Protocol):
    """How requests go from the old generation to the new one. Each step may raise DaybreakError: then there is no new
    one."""

    async def switch(self) -> None:
        """The new generation is ready: let requests go to it."""

    async def switch_back(self) -> None:
        """After all, they go to the old one again."""

    async def drain(self) -> None:
        """Wait, for so long at most, until the old generation has answered what it had begun."""

    async def commit(self, started: Sequence[Handle]) -> None:
        """From now on the new generation, which is `started`, is what is wanted."""


class Stages:
    """How far the handover has come."""

    def __init__(self, handover: Handover) -> None:
        self._handover = handover
        self.switched = self.committed = False

    async def hand_over(self, starts: Sequence[Start], gates: Gates, started: Sequence[Handle]) -> None:
        """From the old generation to the new one, when that is ready. `started` is what the run has started by then."""
        app = [step for step in starts if step.service.tier is Tier.APP]
        try:
            if await _are_ready(gates, [step for step in app if not step.behind]):
                self.switched = True
                await self._handover.switch()
                gates.passed(SWITCHED, None)
                if await _are_ready(gates, [step for step in app if step.behind]):
                    await self._handover.drain()
                    await self._handover.commit(started)
                    self.committed = True
                    gates.passed(DRAINED, None)
        finally:
            gates.close(SWITCHED)
            gates.close(DRAINED)

    async def switch_back(self) -> None:
        """Where there is still a way back."""
        if self.switched and not self.committed:
            await self._handover.switch_back()
            self.switched = False


async def _are_ready(gates: Gates, steps: Sequence[Start]) -> bool:
    return all([await gates.becomes_ready(step.service.name) for step in steps])
