"""An event loop whose clock jumps: whenever nothing is left to do, time moves to the next timer at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
GENERATIONS_OF_TASKS = 10


class _JumpingSelector(selectors.DefaultSelector):
    """Never sleeps for a timer: real events are taken if they are there, else the clock is moved forward."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout is None:
            return ready or super().select(timeout)
        self.now += max(timeout, 0.0)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop for code that waits on timers and futures only; I/O that takes real time is not waited for."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a `JumpingLoop`. What it leaves is cancelled, and what that begins as well."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        try:
            return runner.run(coroutine)
        finally:
            _end_tasks(runner.get_loop())


def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Those that the end of others begins, too. What does not end for that is left to the runner."""
    for _ in range(GENERATIONS_OF_TASKS):
        left = asyncio.all_tasks(loop)
        if not left:
            return
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left, timeout=1.0))
