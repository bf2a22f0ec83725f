"""The owner of everything that the keeper does besides answering: nothing of it can end unseen.

What fails is logged, told as a note (which `status` and the timeline show), and tried again after a pause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from daybreak.backends.process.limits import lacking
from daybreak.errors import DaybreakError, EngineError
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

# Between attempts at something that fails again and again (seconds); what has gone well for a while begins anew.
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 60.0
# An engine that is started again is noticed soon, however long it was away; asking it costs next to nothing.
AWAY_S = 1.0
Work = Callable[[], Awaitable[object]]
log = logging.getLogger(__name__)


class Background:
    """Long-lived tasks of one keeper."""

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: dict[str, str] = {}
        self._short: tuple[str, float] | None = None

    def keep(self, name: str, work: Work, service: str | None = None) -> asyncio.Task[None]:
        """Do this until it returns, however often it fails; `name` says in words what it is."""
        task = asyncio.get_running_loop().create_task(self._keep(name, work, service), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def every(self, interval_s: float, name: str, work: Work) -> asyncio.Task[None]:
        """Do this again and again, `interval_s` after its last end."""
        return self.keep(name, partial(_again_and_again, interval_s, work))

    def tell_shortage(self, what: str) -> None:
        """The keeper lacks something: that is told once for as long as it lasts."""
        now = asyncio.get_running_loop().time()
        told, self._short = self._short, (what, now)
        if told is None or told[0] != what or now - told[1] > STEADY_S:
            log.warning("the keeper is short of %s", what)
            self._emit(None, f"the keeper is short of {what}: what it cannot check meanwhile counts as it was")

    def close(self) -> None:
        """End all of it."""
        for task in self._tasks:
            task.cancel()

    def __len__(self) -> int:
        return len(self._tasks)

    async def _keep(self, name: str, work: Work, service: str | None) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            try:
                await work()
                return
            except Exception as failure:
                error = _first(failure)
                failures = 0 if loop.time() - began > STEADY_S else failures
                pause_s = AWAY_S if _is_away(error) else PAUSES_S[min(failures, len(PAUSES_S) - 1)]
                failures += 1
                self._tell(name, service, error)
            await asyncio.sleep(pause_s)

    def _tell(self, name: str, service: str | None, error: Exception) -> None:
        """In the log with everything, in the timeline once for as long as it stays the same."""
        short = lacking(error)
        why = f"the keeper is short of {short}" if short else _words(error)
        if self._told.get(name) == why:
            log.warning("%s failed again: %s", name, why)
            return
        self._told[name] = why
        log.error("%s failed: %s", name, why, exc_info=not short and not isinstance(error, DaybreakError) and error)
        self._emit(service, f"{name}: {why}; it is tried again")

    def _emit(self, service: str | None, text: str) -> None:
        try:
            self._record.emit(Kind.NOTE, service, text=text, level="error")
        except Exception:  # whoever listens may lack the same
            log.exception("a note could not be told")


async def _again_and_again(interval_s: float, work: Work) -> None:
    while True:
        await asyncio.sleep(interval_s)
        await work()


def _first(error: Exception) -> Exception:
    """Of several that came together the first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _is_away(error: Exception) -> bool:
    """Whether Docker's engine gave no answer at all."""
    return isinstance(error, EngineError) and error.status is None


def _words(error: Exception) -> str:
    return error.message if isinstance(error, DaybreakError) else f"{type(error).__name__}: {error}"
