"""The generation before, kept for a way back: its processes are stopped, and go on where somebody rolls back.

It takes what it took, and does nothing. Nobody else deals with it, whoever looks for leftovers or plans a change; it
ends when its time is over, when memory is short, and before anything changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from daybreak.backends.base import Handle, State
from daybreak.errors import DaybreakError, Interrupted
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.background import Background
from daybreak.keeper.followers import Followers
from daybreak.keeper.planning.process_memory import of_instances
from daybreak.keeper.recovery.left_generation import clear
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.wanted.desired import Target
from daybreak.keeper.wanted.wanted_state import Kept
from daybreak.machine.machine import machine
from daybreak.show.kept import version_told
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

# Ray ends tasks and replicas where less than a twentieth of the memory is left: before that nothing is kept.
SHARE_LEFT = 0.07
LOOK_S = 1.0
# Between looks for processes that go on: one may have been on its way into being when all others were stopped.
AGAIN_S = 30.0


@dataclass
class Keeping:
    """One cluster's. `forks` is where the template's forks are registered."""

    backends: Backends
    followers: Followers
    runner: Runner
    background: Background
    record: Recorder
    forks: Path
    _watching: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def now(self) -> Kept | None:
        state = self.followers.desired.state
        return state.kept if state else None

    async def handles(self) -> list[Handle]:
        """What there is of it."""
        return self.followers.kept(await self.backends.observe())

    async def described(self, before: Target, observed: Sequence[Handle], for_s: float) -> Kept:
        """The generation of `before`, which has just served, as it is to be kept for so many seconds."""
        memory = await asyncio.to_thread(of_instances, observed, self.forks)
        ports = tuple(claim.port for one in before.cluster.services if one.tier == "app" for claim in one.ports)
        state = before.state.with_changes(kept=None)
        return Kept(time.time() + for_s, state, before.environment, memory, ports)

    # --- its life -----------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """It has answered all: stop it, and look after it from now on. What cannot be stopped ends."""
        try:
            await self.freeze()
        except (DaybreakError, OSError) as error:
            await self.end(str(error))
        self.watch()

    async def freeze(self) -> None:
        """Raises DaybreakError where some of its processes go on."""
        await self.backends.freezer.freeze(await self.handles())

    def watch(self) -> None:
        """Look after one that there is, also as a keeper that comes after a killed one."""
        if self.now and (self._watching is None or self._watching.done()):
            self._watching = self.background.keep("looking after the version that is kept", self._watch)

    async def end(self, why: str, operation: Operation | None = None) -> None:
        """End it where there is one, and tell why. Where something of it does not end it is what others look for."""
        kept = self.now
        if kept is None:
            return
        handles = await self.handles()
        text = f"{version_told(kept.state.version)} is kept no longer: {why}"
        self.record.emit(Kind.NOTE, text=text)
        if operation:
            operation.note(f"note: {text}")
        # A keeper that comes after this one ends what is left.
        self.followers.desired.change(kept=None)
        try:
            await clear(self.backends, handles, kept.state.slot)
        except DaybreakError as error:
            self.record.emit(Kind.NOTE, text=f"the version that was kept: {error.message}", level="error")

    async def _watch(self) -> None:
        loop, kept = asyncio.get_running_loop(), self.now
        again = loop.time()
        ends = loop.time() + (kept.until - time.time() if kept else 0.0)  # whatever becomes of the clock
        while self.now is kept and kept is not None:
            if why := _over(loop.time() >= ends):
                await self._in_turn(partial(self.end, why), kept)
            elif loop.time() >= again:
                again = loop.time() + AGAIN_S
                await self._in_turn(self._look, kept)
            else:
                await asyncio.sleep(min(LOOK_S, max(0.0, ends - loop.time())))
        self._watching = None
        self.watch()

    async def _look(self) -> None:
        handles = await self.handles()
        if not handles:
            self.followers.desired.change(kept=None)  # the machine was restarted
        elif any(handle.state is State.BROKEN for handle in handles):
            await self.end("a process of it has ended")
        else:
            await self.freeze()

    async def _in_turn(self, work: Callable[[], Awaitable[None]], kept: Kept) -> None:
        """Do it when no other operation is carried out, unless that one has."""
        operation = Operation("recovery")

        async def in_turn(operation: Operation) -> None:
            async with self.runner.turn(operation):
                if self.now is kept:
                    await work()

        operation.start(in_turn)
        with contextlib.suppress(Interrupted):
            await operation.answer()


def _over(late: bool) -> str:
    """Why it is kept no longer; empty where it is."""
    if late:
        return "its time is over"
    found = machine()
    return "memory is short" if found.memory_available_bytes < SHARE_LEFT * found.memory_total_bytes else ""
