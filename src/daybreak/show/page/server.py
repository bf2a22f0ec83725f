"""Serving the page: uvicorn inside a running event loop, on a socket that is bound beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn

from daybreak.accepting import stop_accepting
from daybreak.show.page.access import Access
from daybreak.show.page.app import application
from daybreak.show.page.connections import Connection
from daybreak.show.page.listen import BACKLOG
from daybreak.show.page.live import Hub
from daybreak.show.page.source import Address, Source

# Connections that are accepted in one go; it takes a few rounds of the loop until one too many is closed.
AT_ONCE = 8
MOST_HEADER_BYTES = 16 * 1024
KEEP_ALIVE_S = 15
CLOSE_S = 1


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, which are the keeper's, and without its ten wake-ups a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()
        self._ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for listening in sockets or ():
            listening.listen(BACKLOG)
        self.answers.set()

    async def main_loop(self) -> None:
        await self._ending.wait()

    def end(self) -> None:
        self._ending.set()


class Serving:
    """A page that is being served."""

    def __init__(self, server: Server, task: asyncio.Task[None], hub: Hub) -> None:
        self._server = server
        self._task = task
        self._hub = hub

    def leave(self) -> None:
        """End it at once, whoever is reading: the process ends, and with it every connection."""
        # What is cut off is no error.
        logging.getLogger("uvicorn.error").disabled = True
        self._hub.close()
        for listening in self._server.servers:
            listening.close()
        self._task.cancel()

    async def close(self) -> None:
        """End it; open pages are told, and not waited for longer than a second."""
        self._hub.close()
        await stop_accepting(self._server.servers)
        self._server.end()
        await asyncio.wait({self._task})


async def serve(listening: socket.socket, source: Source, hub: Hub, at: Address, access: Access) -> Serving:
    """Serve the page on a bound socket; returns once it answers. Raises OSError."""
    config = uvicorn.Config(
        application(source, hub, at, access),
        loop="none",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        # Warnings are of what strangers send.
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=CLOSE_S,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
        backlog=AT_ONCE,
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]), name="page")
    answers = asyncio.ensure_future(server.answers.wait())
    await asyncio.wait({task, answers}, return_when=asyncio.FIRST_COMPLETED)
    answers.cancel()
    if task.done():
        await task
        raise OSError("the server ended at once")
    return Serving(server, task, hub)
