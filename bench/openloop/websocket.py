"""A WebSocket that is kept open, as a chat does: messages go out when they are due, each one's echo is awaited."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
from enum import IntEnum
from http import HTTPStatus

from bench.openloop.exchange import Connection, Lost, connect, read_head, request
from bench.openloop.records import Outcome

# Normal, going away, service restart: what a server says that wants its clients to come again.
CLEAN = (1000, 1001, 1012)
NO_CODE = 1005
WAYS_OF_ENDING = (OSError, EOFError, ValueError, asyncio.LimitOverrunError)


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class WebSocket:
    """Connects at the first message, and again at the first one after an end.

    Whoever waits for an echo when the connection ends is told so, and nothing is sent twice.
    """

    def __init__(self, host: str, port: int, path: str) -> None:
        self._host = host
        self._port = port
        self._path = path
        self._connecting = asyncio.Lock()
        self._connection: Connection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._numbers = itertools.count()

    async def say(self) -> str | None:
        """Send one message; returns the version that its echo names, if any. Raises Lost."""
        text = str(next(self._numbers))
        async with self._connecting:
            if self._connection is None:
                await self._connect()
            assert self._connection is not None
            echo = self._waiting[text] = asyncio.get_running_loop().create_future()
            connection = self._connection
            connection.writer.write(frame(Opcode.TEXT, text.encode()))
        try:
            return (await echo).removesuffix(text).strip() or None
        except asyncio.CancelledError:
            connection.close()  # it has timed out: whoever comes next takes another one
            raise
        finally:
            self._waiting.pop(text, None)

    async def close(self) -> None:
        if self._connection:
            self._connection.writer.write(frame(Opcode.CLOSE, (1000).to_bytes(2)))
        self._end(Lost(Outcome.CUT, "the loop has ended"))
        if self._reading:
            self._reading.cancel()
            await asyncio.wait((self._reading,))

    async def _connect(self) -> None:
        connection = await connect(self._host, self._port)
        upgraded = False
        try:
            connection.writer.write(_handshake(self._host, self._port, self._path))
            await _upgraded(connection.reader)
            upgraded = True
        finally:
            if not upgraded:
                connection.close()
        self._connection = connection
        self._reading = asyncio.create_task(self._read(connection))

    async def _read(self, connection: Connection) -> None:
        """Until the end, which everybody who waits is told of."""
        ended = Lost(Outcome.CUT, "the WebSocket ended without a close frame", HTTPStatus.SWITCHING_PROTOCOLS)
        try:
            while True:
                opcode, payload = await read_frame(connection.reader)
                if opcode == Opcode.CLOSE:
                    connection.writer.write(frame(Opcode.CLOSE, payload[:2]))
                    ended = _closed(payload)
                    break
                if opcode == Opcode.PING:
                    connection.writer.write(frame(Opcode.PONG, payload))
                elif opcode in (Opcode.TEXT, Opcode.BINARY):
                    self._answered(payload.decode(errors="replace"))
        except WAYS_OF_ENDING:
            pass
        if self._connection is connection:
            self._end(ended)

    def _answered(self, echo: str) -> None:
        waiting = self._waiting.get(echo.rpartition(" ")[2])
        if waiting and not waiting.done():
            waiting.set_result(echo)

    def _end(self, why: Lost) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Lost(why.outcome, str(why), why.status))


def _handshake(host: str, port: int, path: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    more = f"Upgrade: websocket\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
    return request(host, port, path, "Upgrade", more)


async def _upgraded(reader: asyncio.StreamReader) -> None:
    """Raises Lost where the server does not switch to WebSocket."""
    try:
        head = await read_head(reader)
    except WAYS_OF_ENDING as error:
        raise Lost(Outcome.CUT, f"no answer to the handshake: {error}") from None
    if head.status != HTTPStatus.SWITCHING_PROTOCOLS:
        outcome = Outcome.OTHER_STATUS if head.outcome == Outcome.OK else head.outcome
        raise Lost(outcome, "no WebSocket was opened", head.status)


def _closed(payload: bytes) -> Lost:
    code = int.from_bytes(payload[:2]) if len(payload) > 1 else NO_CODE
    return Lost(Outcome.CLOSED if code in CLEAN else Outcome.CUT, f"closed with code {code}", 101)


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """One whole frame of a client; masked, as clients must. At most 125 bytes."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes((0x80 | opcode, 0x80 | len(payload))) + mask + masked


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Opcode and payload of one frame of a server. Raises EOFError, OSError."""
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size > 125:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
    return first & 0x0F, await reader.readexactly(size)
