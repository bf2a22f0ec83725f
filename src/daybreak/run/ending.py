"""Ending instances in order."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from daybreak.backends.base import Backend, Handle
from daybreak.errors import DaybreakError
from daybreak.run.gates import Blocked
from daybreak.run.plan import Plan, Stop
from daybreak.run.uninterrupted import uninterrupted
from daybreak.services.service import Tier
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

# Databases end after what uses them, and the template after its forks: a raylet waits long for agents that lose theirs.
_UNDO_ORDER = (frozenset(Tier) - {Tier.DATA, Tier.WARM}, frozenset([Tier.DATA]), frozenset([Tier.WARM]))


class Ending:
    """The stops of one plan; whoever starts something waits for those that must come before."""

    def __init__(self, steps: Plan, backend: Backend, record: Recorder) -> None:
        self._steps = steps.stop
        self._backend = backend
        self._record = record
        self._left: set[str] = set()
        self._over = {step.handle.instance: asyncio.Event() for step in steps.stop}

    async def carry_out(self, step: Stop) -> None:
        """Raises DaybreakError where the instance cannot be ended."""
        await self.until_ended(step.after)
        # Whose work goes on in the new instance leaves a record alone: nobody is told of an end.
        end = self._clear if step.retires or step.behind == step.handle.service else self.end
        try:
            # Once begun it is carried out: half a stop would leave half a service, which nothing would end.
            await uninterrupted(end(step.handle, step.why))
        except DaybreakError as error:
            self._left.add(step.handle.service)
            if not step.retires:
                raise
            # The new generation works: what does not end of the old one is looked for again later.
            self._record.emit(Kind.NOTE, step.handle.service, text=error.message, level="error")
        finally:
            self._over[step.handle.instance].set()

    async def retire(self) -> None:
        """End what is left of a generation that has been replaced, whoever was to do it."""
        waiting = [step for step in self._steps if step.retires and not self._over[step.handle.instance].is_set()]
        await asyncio.gather(*map(self.carry_out, waiting), return_exceptions=True)

    def leave(self, step: Stop) -> None:
        """It goes on as it is: whoever waits for its end need not."""
        self._over[step.handle.instance].set()

    async def until_ended(self, services: Collection[str], own: str = "") -> None:
        """Until the stops of these are over. Raises Blocked where that of the `own` service has failed."""
        for step in self._steps:
            if step.handle.service in services:
                await self._over[step.handle.instance].wait()
        if own in self._left:
            raise Blocked(f"not started: {own} could not be ended")

    async def end(self, handle: Handle, why: str) -> None:
        """End one instance. Raises DaybreakError where it cannot be ended: that is told, and keeps its row."""
        self._record.emit(Kind.STOPPING, handle.service, why=why)
        try:
            stopped = await self._backend.stop(handle)
        except (DaybreakError, OSError) as error:
            told = error if isinstance(error, DaybreakError) else DaybreakError(f"{handle.service}: {error}")
            self._record.emit(Kind.NOT_ENDED, handle.service, reason=told.message)
            raise told from error
        self._record.emit(Kind.STOPPED, handle.service, after_s=stopped.after_s, killed=stopped.killed)

    async def _clear(self, handle: Handle, _: str) -> None:
        try:
            await self._backend.stop(handle)
        except OSError as error:
            raise DaybreakError(f"{handle.service}: {error}") from error

    async def end_all(self, handles: Sequence[Handle], why: str) -> list[str]:
        """End these, tier by tier; returns what is left, each with the reason."""
        left: list[str] = []
        for tiers in _UNDO_ORDER:
            ending = [handle for handle in handles if handle.tier in tiers]
            results = await asyncio.gather(*(self.end(handle, why) for handle in ending), return_exceptions=True)
            for handle, result in zip(ending, results, strict=True):
                if isinstance(result, BaseException):
                    left.append(result.message if isinstance(result, DaybreakError) else f"{handle.service}: {result}")
        return left
