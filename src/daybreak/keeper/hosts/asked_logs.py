"""The first machine's side of other machines' logs: a host is asked on the connection that it holds, and answers on one
of its own, since nobody can connect to it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from daybreak.keeper.hosts.wire import Line, NotReached

COMES_S = 10.0


@dataclass
class _Asked:
    host: str
    came: asyncio.Future[Line] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    over: asyncio.Event = field(default_factory=asyncio.Event)


class AskedLogs:
    """What is under way."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    @contextlib.asynccontextmanager
    async def asked(self, host: str, line: Line | None, wish: Mapping[str, Any]) -> AsyncIterator[Line]:
        """The connection with the answer to this wish (`told_logs.py`). Raises NotReached where none comes."""
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
