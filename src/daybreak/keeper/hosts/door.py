"""The hosts port: TLS for keepers of other machines, and for who wants to be one. Who shows no certificate of this
cluster can do one thing, to join with a token."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from daybreak.accepting import stop_accepting
from daybreak.errors import DaybreakError, UsageError
from daybreak.keeper.control.error_json import error_to_json
from daybreak.keeper.hosts.book import Host
from daybreak.keeper.hosts.wire import Line

MOST_REQUEST_BYTES = 256 * 1024
MOST_CONNECTIONS = 2048
# As many of them may be of who has shown no certificate yet.
MOST_STRANGERS = 32
HANDSHAKE_S = REQUEST_S = 10.0
Request = dict[str, Any]
log = logging.getLogger(__name__)


class Door:
    """`join` and `of_host` answer requests, one for each connection; `known` is whose a certificate is."""

    def __init__(
        self,
        known: Callable[[str], Host | None],
        join: Callable[[Request, Line, str], Awaitable[None]],
        of_host: Callable[[Host, Request, Line], Awaitable[None]],
    ) -> None:
        self._known, self._join, self._of_host = known, join, of_host
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._strangers = 0
        self.place: tuple[str, int] | None = None

    async def open(self, address: str, port: int, context: ssl.SSLContext) -> None:
        """Listen at that address alone. Raises OSError."""
        self._server = await asyncio.start_server(
            self._serve, address, port, ssl=context, ssl_handshake_timeout=HANDSHAKE_S, limit=MOST_REQUEST_BYTES
        )
        self.place = (address, self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and end every connection."""
        server, self._server, self.place = self._server, None, None
        if server:
            await stop_accepting((server,))
            server.close()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, line = asyncio.current_task(), Line(reader, writer)
        assert task
        if len(self._tasks) >= MOST_CONNECTIONS:
            await line.close()
            return
        self._tasks.add(task)
        try:
            await self._answer(line, writer)
        except (DaybreakError, OSError, asyncio.CancelledError) as error:
            log.info("a connection of another machine has ended: %s", error or "it was closed")
        except Exception:
            log.exception("a connection of another machine failed")
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(asyncio.CancelledError):
                await line.close()

    async def _answer(self, line: Line, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if certificate:
            host = self._known(hashlib.sha256(certificate).hexdigest())
            if host is None:  # it was removed while it was away
                line.send({"removed": True})
            else:
                await self._of_host(host, await line.receive(REQUEST_S), line)
            return
        if self._strangers >= MOST_STRANGERS:
            return
        self._strangers += 1
        try:
            request = await line.receive(REQUEST_S)
            if request.get("op") != "join":
                raise UsageError("only hosts of this cluster may ask for that")
            await self._join(request, line, str(writer.get_extra_info("peername")[0]))
        except DaybreakError as error:
            line.send({"error": error_to_json(error)})
        finally:
            self._strangers -= 1
