"""The first machine's side of other machines' logs: a host is asked on the connection that it holds, and answers on one
of its own, since nobody can connect to it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from daybreak.errors import UsageError
from daybreak.keeper.hosts.book import Host, HostBook
from daybreak.keeper.hosts.wire import Line, NotReached

COMES_S = 10.0


@dataclass
class _Asked:
    host: str
    came: asyncio.Future[Line] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    over: asyncio.Event = field(default_factory=asyncio.Event)


class AskedLogs:
    """What is under way. `line_of` gives the connection that a host holds, None where there is none."""

    def __init__(self, book: HostBook, line_of: Callable[[Host], Line | None]) -> None:
        self._book, self._line_of = book, line_of
        self._asked: dict[str, _Asked] = {}

    @contextlib.asynccontextmanager
    async def asked(self, host: str, wish: Mapping[str, Any]) -> AsyncIterator[Line]:
        """The connection on which a host answers this wish (`told_logs.py`). Raises UsageError where there is no such
        host, and NotReached where it does not answer."""
        if host not in self._book.hosts:
            raise UsageError(f"there is no host {host}", hint=f"hosts: {', '.join(self._book.hosts) or 'none'}")
        line = self._line_of(self._book.hosts[host])
        if line is None:
            raise NotReached(f"nothing is heard of host {host}")
        key, asked = secrets.token_hex(8), _Asked(host)
        self._asked[key] = asked
        try:
            line.send({"logs": {**wish, "id": key}})
            try:
                async with asyncio.timeout(COMES_S):
                    answer = await asked.came
            except TimeoutError:
                raise NotReached(f"host {host} sends no logs: its daybreak may be another one") from None
            yield answer
        finally:
            del self._asked[key]
            asked.over.set()

    async def bring(self, host: str, key: str, line: Line) -> None:
        """A host's answer; returns when nobody reads it any more."""
        asked = self._asked.get(key)
        if asked is None or asked.host != host or asked.came.done():
            return
        asked.came.set_result(line)
        await asked.over.wait()
