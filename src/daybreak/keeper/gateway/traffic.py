"""What the gateway tells of requests, counted: by application and second, and from a moment to another one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from daybreak.keeper.background import Background
from daybreak.keeper.gateway.access_log import AccessLog
from daybreak.keeper.gateway.counts import MOST_APPLICATIONS, OTHERS, Application, Counts, merged
from daybreak.keeper.gateway.line_socket import LineSocket
from daybreak.keeper.gateway.request_line import Ending, RequestLine, parse
from daybreak.keeper.gateway.request_samples import KeptRequests
from daybreak.names import GATEWAY
from daybreak.services.build import Cluster
from daybreak.services.edge.gateway import access_log, log_socket
from daybreak.timeline.receipt import Receipt

# `status` tells of so many seconds.
RECENT_S = 10
# Lines come when requests end, within some ms; where none has come for this long, all have.
QUIET_S = 0.05
# They are waited for at most this long.
SETTLE_S = 1.0
# So long at most the end of a run waits until those have been answered that had waited.
ANSWERED_S = 2.0


class Traffic:
    """One cluster's. Listens while its cluster has a gateway; without one it counts nothing. `now` is in seconds since
    1970."""

    def __init__(self, background: Background, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.kept = KeptRequests()
        self._background = background
        self._listening: asyncio.Task[None] | None = None
        # By name, of a bounded number.
        self.applications: dict[str, Application] = {}
        self._windows: set[Window] = set()
        self._access: AccessLog | None = None
        self._malformed = 0
        self._newest_ms = 0
        # When an application has last answered a request (ms since 1970).
        self.answered_ms = 0
        self._came = asyncio.Event()

    def want(self, cluster: Cluster) -> None:
        """Listen from now on where this cluster has a gateway, and else no more."""
        self._access = AccessLog(Path(access_log(cluster.site))) if cluster.spec.gateway.access_log else None
        self.kept.want(cluster.spec.gateway.rehearse)
        wanted = any(service.name == GATEWAY for service in cluster.services)
        if wanted and not self.listens:
            socket = LineSocket(Path(log_socket(cluster.site)), self.take)
            self._listening = self._background.keep("listening to the gateway", socket.run, GATEWAY)
        elif not wanted:
            self.end()

    @property
    def listens(self) -> bool:
        return self._listening is not None and not self._listening.done()

    def end(self) -> None:
        """There is no gateway any more."""
        if self._listening:
            self._listening.cancel()
            self._listening = None
            self.applications.clear()
            self.kept.clear()

    # --- counting -----------------------------------------------------------------------------------------------------

    def take(self, lines: list[bytes]) -> None:
        """Count these lines; those that are none are counted, too."""
        if self._access:
            self._access.take(lines)
        now_s = int(self.now())
        for text in lines:
            if line := parse(text):
                self._count(line, now_s)
                self.kept.take(text, line)
            elif text:
                self._malformed += 1
        self._came.set()

    def _count(self, line: RequestLine, now_s: int) -> None:
        self._newest_ms = line.ended_ms
        if line.ending in (Ending.ANSWERED, Ending.ERROR):
            self.answered_ms = line.ended_ms
        name = line.application
        known = self.applications
        if name not in known:
            name = name if len(known) < MOST_APPLICATIONS else OTHERS
            known.setdefault(name, Application())
        known[name].add(line, now_s)
        for window in self._windows:
            window.add(line)

    # --- windows ------------------------------------------------------------------------------------------------------

    def begin(self, server: str = "") -> Window | None:
        """Count by itself from now on what ends until the window does; None where there is no gateway. Where a `server`
        (a slot) is named, what it was asked first alone, as failed where another one has answered it then."""
        if not self.listens:
            return None
        window = Window(self, self.now_ms(), server)
        self._windows.add(window)
        return window

    def forget(self, window: Window) -> None:
        self._windows.discard(window)

    def now_ms(self) -> int:
        return round(self.now() * 1000)

    async def settled(self, until_ms: int) -> None:
        """Wait for the lines of requests that ended until then: until a later one, or none, comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while self.listens and self._newest_ms <= until_ms:
                    async with asyncio.timeout(QUIET_S):
                        await self.next_lines()

    async def next_lines(self) -> None:
        self._came.clear()
        await self._came.wait()

    # --- what is known ------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any] | None:
        """Of each application what came in the last seconds, and in all; None where there is no gateway."""
        if not self.listens:
            return None
        now_s = int(self.now())
        return {
            "seconds": RECENT_S,
            "malformed": self._malformed,
            "applications": [
                {
                    "name": name,
                    "per_s": (recent := known.between(now_s - RECENT_S, now_s)).requests / RECENT_S,
                    "recent": recent.to_json(),
                    "total": known.total.to_json(),
                }
                for name, known in sorted(self.applications.items())
            ],
        }

    def second(self, second: int) -> dict[str, Any]:
        """One second (since 1970), by application and together."""
        by_name = {name: known.second(second) for name, known in sorted(self.applications.items())}
        return {
            "at": second,
            "all": merged(by_name.values()).to_json(),
            "applications": {name: counts.to_json() for name, counts in by_name.items()},
        }

    def seconds(self, count: int) -> list[dict[str, Any]]:
        """The last whole seconds, the newest last; none where there is no gateway."""
        now_s = int(self.now()) if self.listens else 0
        return [self.second(second) for second in range(now_s - count, now_s)] if now_s else []

    def totals(self) -> dict[str, Counts]:
        """Since the keeper began, by application."""
        return {name: known.total for name, known in sorted(self.applications.items())}


class Window:
    """Requests from one moment to another one, by the gateway's clock, which is this machine's. A request belongs to it
    if it has ended within, or was let go at its end."""

    def __init__(self, traffic: Traffic, now_ms: int, server: str = "") -> None:
        self._traffic = traffic
        self._server = server
        self._began_ms = now_ms
        self._end_ms: int | None = None
        self._waited = 0
        self._counts = Counts()

    @property
    def counts(self) -> Counts:
        """Until now."""
        return self._counts

    def add(self, line: RequestLine) -> None:
        if self._server:
            if self._server == line.failed:
                line = line._replace(ending=Ending.FAILED)
            elif line.failed or line.server != self._server:
                return
        let_go = line.held_ms > 0 and self._counts.held < self._waited
        if line.ended_ms >= self._began_ms and (self._end_ms is None or line.ended_ms <= self._end_ms or let_go):
            self._counts.add(line)

    async def end(self, waited: int = 0) -> Receipt:
        """Count until now, and return it when the lines of what has ended until now are there.

        `waited` is how many requests have waited in the gateway and were let go: they are being answered now, and
        belong to it as well, at least those that are answered soon.
        """
        self._end_ms, self._waited = self._traffic.now_ms(), waited
        try:
            await self._traffic.settled(self._end_ms)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWERED_S):
                    while self._counts.held < waited:
                        await self._traffic.next_lines()
        finally:
            self._traffic.forget(self)
        return replace(self._counts.receipt(), under_way=max(waited - self._counts.held, 0))
