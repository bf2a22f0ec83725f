"""Connections that ask for nothing: few are kept, and not for long, for each is a file, of which the keeper needs some.

uvicorn bounds requests, and closes what is silent after an answer; what never asks it keeps for ever.
"""

from __future__ import annotations

import asyncio
import resource
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from daybreak.hosts import is_loopback

MOST_CONNECTIONS = 256
# The page's part of the files that the keeper may open, and one peer's part of that; this machine's users are one peer.
SHARE = 4
REQUEST_S = 10.0


def most_connections() -> int:
    """How many connections the page keeps at once."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, max(1, files // SHARE))


class Connection(H11Protocol):
    """uvicorn's, with an end to those that do not ask: by time, and above a number as soon as others come."""

    _timer: asyncio.TimerHandle | None = None
    _began = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._began = self.loop.time()
        self._watch()
        self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._rest()

    def abort(self) -> None:
        """Close it at once, whatever is under way."""
        self.connections.discard(self)
        self._rest()
        self.transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        """A request that has begun, the first one at once, has to be complete in time."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY) or self.transport.is_closing():
            self._rest()
        elif self._timer is None:
            self._timer = self.loop.call_later(REQUEST_S, self.abort)

    def _rest(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _make_room(self) -> None:
        """Where there are too many, the one goes that has been idle longest; where none is idle, the newest: this."""
        most = most_connections()
        everybody = cast("set[Connection]", self.connections)
        crowd = everybody if len(everybody) > most else set()
        if not crowd and self.client and not is_loopback(self.client[0]):
            alike = {one for one in everybody if one.client and one.client[0] == self.client[0]}
            crowd = alike if len(alike) > max(1, most // SHARE) else set()
        if crowd:
            min((one for one in crowd if one.is_idle and one is not self), key=_age, default=self).abort()


def _age(connection: Connection) -> float:
    return connection._began
