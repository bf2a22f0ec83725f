"""Restarts after a back-off: one for each service at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from functools import partial

from daybreak.keeper.background import Background
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

BACKOFF_S = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
# After running this long, an earlier crash no longer counts.
STEADY_S = 60.0


class Restarts:
    """Asks for recovery through `recover(service, replace)`, later each time that a service crashes in a row."""

    def __init__(
        self, record: Recorder, background: Background, recover: Callable[[str, bool], Awaitable[None]]
    ) -> None:
        self._record = record
        self._background = background
        self._recover = recover
        self._counts: dict[str, int] = {}
        self._started_s: dict[str, float] = {}
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._recovering: set[str] = set()

    @property
    def busy(self) -> AbstractSet[str]:
        """The services that wait for their back-off, or are being brought back."""
        return self._waiting.keys() | self._recovering

    def started(self, service: str) -> None:
        self._started_s[service] = asyncio.get_running_loop().time()

    def schedule(self, service: str, *, replace: bool) -> None:
        """Restart after the back-off; what is waiting for its restart already goes on waiting.

        `replace` says that a running but unhealthy service must be started anew.
        """
        if service in self._waiting:
            return
        now_s = asyncio.get_running_loop().time()
        # Taken out: what does not even start has not run for long, whatever ran before it.
        steady = now_s - self._started_s.pop(service, now_s) > STEADY_S
        count = 0 if steady else self._counts.get(service, 0)
        self._counts[service] = count + 1
        delay_s = BACKOFF_S[min(count, len(BACKOFF_S) - 1)]
        self._record.emit(Kind.BACKING_OFF, service, delay_s=delay_s, restarts=count + 1)
        bring_back = partial(self._bring_back, service, delay_s, replace)
        self._waiting[service] = self._background.keep(f"restart of {service}", bring_back, service)

    def bring_back(self, service: str, *, after_s: float) -> None:
        """It has ended while nobody watched: that is no crash that counts."""
        if service not in self._waiting:
            work = partial(self._bring_back, service, after_s, False)
            self._waiting[service] = self._background.keep(f"restart of {service}", work, service)

    def forget(self) -> None:
        """No back-off any more, and nothing waits."""
        self._counts.clear()
        self._started_s.clear()
        self.close()

    def close(self) -> None:
        for task in self._waiting.values():
            task.cancel()
        self._waiting.clear()

    async def _bring_back(self, service: str, delay_s: float, replace: bool) -> None:
        await asyncio.sleep(delay_s)
        self._waiting.pop(service, None)
        self._recovering.add(service)
        try:
            await self._recover(service, replace)
        finally:
            self._recovering.discard(service)
