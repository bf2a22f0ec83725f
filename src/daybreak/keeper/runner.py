"""One operation at a time, and each of them can be cancelled at every moment.

An operation is one task, from the moment its request was read until its answer: while it waits for its turn, while
images are pulled, the machine is surveyed, or services start. Whoever swallows a cancellation, to take down what was
begun, looks at `cancelled` before it begins anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from daybreak.errors import Interrupted
from daybreak.keeper.control.control_socket import Client, Nobody
from daybreak.timeline.event import RunKind


class Operation:
    """One request and whoever waits for its answer. `kind` is that of the run it is about, once that is known."""

    def __init__(self, name: str, client: Client | None = None, *, pid: int | None = None) -> None:
        self.name = name
        self.client = client or Nobody()
        self.kind: RunKind | None = None
        self.began_s = time.monotonic()
        self.cancelled = False
        self.pid = pid
        self._by = ""
        self._task: asyncio.Task[Any] | None = None

    @property
    def told(self) -> str:
        """It as others are told of it."""
        return f"{self.kind or 'command'}" + (f" by pid {self.pid}" if self.pid else "")

    @property
    def given_way(self) -> bool:
        """Has it been cancelled for something else that is to happen now?"""
        return bool(self._by)

    def note(self, text: str) -> None:
        """Tell the client something on the way."""
        self.client.send({"note": text})

    def start(self, work: Callable[[Operation], Awaitable[Any]]) -> None:
        """Carry it out from now on."""
        self._task = asyncio.ensure_future(work(self))

    async def answer(self) -> Any:
        """Wait for its end. Raises what it has raised, Interrupted where it was cancelled."""
        assert self._task is not None
        await asyncio.wait({self._task})
        try:
            return self._task.result()
        except asyncio.CancelledError:
            error = Interrupted("interrupted; nothing was changed")
        except Interrupted as interrupted:
            error = interrupted
        if self._by:
            error.reword(lambda text: text.replace("interrupted", f"interrupted by {self._by}", 1))
        raise error from None

    def cancel(self, by: str = "") -> None:
        """End it as Ctrl-C does; `by` is told to the client where somebody else asks for it."""
        if not self.cancelled:
            self.cancelled, self._by = True, by
            if by:
                self.note(f"interrupted by {by}" + (": taking down what this run has started" if self.kind else ""))
        if self._task:
            self._task.cancel()

    def abandon(self) -> None:
        """Nobody waits for the answer any more. Half of a stop is what nobody wants: it goes on."""
        if self.name != "down" and self.kind is not RunKind.STOP:
            self.cancel()


class Runner:
    """Gives operations their turn."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting: list[Operation] = []
        self.current: Operation | None = None

    @property
    def busy(self) -> bool:
        return self._lock.locked()

    @property
    def kind(self) -> RunKind | None:
        """Of the run that is under way."""
        return self.current.kind if self.current else None

    @contextlib.asynccontextmanager
    async def turn(self, operation: Operation) -> AsyncIterator[None]:
        """Wait until no other operation is carried out; the client is told whom it waits for."""
        if self.current:
            since_s = time.monotonic() - self.current.began_s
            operation.note(f"waiting for another {self.current.told}, running for {since_s:.0f} s")
        self._waiting.append(operation)
        try:
            await self._lock.acquire()
        except asyncio.CancelledError:
            raise Interrupted("interrupted while it waited; nothing was changed") from None
        finally:
            self._waiting.remove(operation)
        self.current = operation
        try:
            yield
        finally:
            self.current = None
            self._lock.release()

    def cancel_others(self, than: Operation, by: str) -> None:
        """Cancel what is under way, and all that waits, but what is like this one."""
        for other in [*self._waiting, *([self.current] if self.current else [])]:
            if other.name != than.name:
                other.cancel(by)
