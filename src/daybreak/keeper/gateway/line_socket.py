"""The Unix socket that the gateway connects to, and writes its lines to.

A stream, since of datagrams the kernel keeps ten: a burst would lose most. HAProxy keeps what is not read yet, also
while there is no keeper, and connects again by itself.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path

# Read at once: some hundred lines, so that the keeper does other things in between.
READ_BYTES = 32 * 1024
# Lines wait so long in the socket, so that many are read at once: to be woken for each costs more than to count it.
REST_S = 0.02
# HAProxy's lines have 1024 bytes at most.
LONGEST_LINE = 8 * 1024
# One gateway has one, and one that is being replaced may still have one.
MOST_CONNECTIONS = 8
# Between looks for the socket.
LOOK_S = 2.0
log = logging.getLogger(__name__)

Take = Callable[[list[bytes]], None]


class LineSocket:
    """`take` is given the lines, many at once. Whoever is not the owner cannot open the socket."""

    def __init__(self, path: Path, take: Take, look_s: float = LOOK_S) -> None:
        self._path = path
        self._take = take
        self._look_s = look_s
        self._open: set[asyncio.Transport] = set()

    async def run(self) -> None:
        """Listen until cancelled; bound anew where somebody deletes or replaces the socket. Raises OSError."""
        try:
            while True:
                server, bound = await self._bind()
                try:
                    while _identity(self._path) == bound:
                        await asyncio.sleep(self._look_s)
                finally:
                    server.close()
                log.warning("%s was deleted: it is made anew", self._path)
        finally:
            self._path.unlink(missing_ok=True)
            for transport in list(self._open):
                transport.abort()

    async def _bind(self) -> tuple[asyncio.Server, tuple[int, int] | None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        # Not by the umask: that is everybody's, and files are being made beside. Its folder lets nobody else in.
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(str(self._path))
            self._path.chmod(0o600)
            server = await asyncio.get_running_loop().create_unix_server(self._connection, sock=listening)
        except BaseException:
            listening.close()
            raise
        return server, _identity(self._path)

    def _connection(self) -> asyncio.BaseProtocol:
        return _Connection(self._take, self._open)


class _Connection(asyncio.BufferedProtocol):
    """One connection of the gateway."""

    def __init__(self, take: Take, connections: set[asyncio.Transport]) -> None:
        self._take = take
        self._connections = connections
        self._buffer = bytearray(READ_BYTES)
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if len(self._connections) >= MOST_CONNECTIONS:
            log.warning("more than %d connections write lines of requests: one was closed", MOST_CONNECTIONS)
            transport.close()
            return
        self._transport = transport
        self._connections.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._transport:
            self._connections.discard(self._transport)

    def get_buffer(self, _sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        *lines, self._rest = (self._rest + self._buffer[:nbytes]).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            # It ends some time; until then it is as many malformed lines.
            lines.append(self._rest)
            self._rest = b""
        self._take(lines)
        if nbytes < READ_BYTES:
            self._pause()

    def _pause(self) -> None:
        """Read on a moment later."""
        if self._transport and not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(REST_S, self._resume, self._transport)

    @staticmethod
    def _resume(transport: asyncio.Transport) -> None:
        if not transport.is_closing():
            transport.resume_reading()


def _identity(path: Path) -> tuple[int, int] | None:
    """Disk and number of a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
