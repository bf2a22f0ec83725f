"""One HTTP request over a plain stream, and what can become of it.

A client that tries again would hide what is lost, so nothing is tried again.
"""

from __future__ import annotations

import asyncio
import errno
import re
from dataclasses import dataclass
from http import HTTPStatus

from bench.openloop.records import Outcome

STATUS_LINE = re.compile(r"HTTP/1\.[01] ([1-5]\d\d)(?: |$)")
HEAD_END = b"\r\n\r\n"
# Kept connections that wait for their next request.
MOST_KEPT = 32
# Of an answer only its end is looked at, and told where it is an error.
TAIL_BYTES = 160
BLOCK_BYTES = 65536
# These say something of the loop's own machine and not of who is asked: nothing that was measured then means anything.
OWN_TROUBLES = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS)


class Lost(Exception):
    """No whole answer came; `outcome` says in which way."""

    def __init__(self, outcome: Outcome, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.outcome = outcome
        self.status = status


@dataclass(frozen=True)
class Answer:
    """Status and headers (names in small letters), and the end of the body."""

    status: int
    headers: dict[str, str]
    tail: bytes = b""

    @property
    def version(self) -> str | None:
        return self.headers.get("x-version")

    @property
    def outcome(self) -> Outcome:
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Outcome.SERVER_ERROR
        if self.status == HTTPStatus.NOT_FOUND:
            return Outcome.NOT_FOUND
        return Outcome.OK if HTTPStatus(200) <= self.status < HTTPStatus.MULTIPLE_CHOICES else Outcome.OTHER_STATUS


@dataclass(frozen=True)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def usable(self) -> bool:
        """Whether the other side has not ended it meanwhile, as far as is known here."""
        return not (self.reader.at_eof() or self.writer.is_closing() or self.reader.exception())

    def close(self) -> None:
        self.writer.close()


async def connect(host: str, port: int) -> Connection:
    """Raises Lost where nobody listens, and OSError for what is this machine's own trouble."""
    try:
        return Connection(*await asyncio.open_connection(host, port))
    except OSError as error:
        if error.errno in OWN_TROUBLES:
            raise
        raise Lost(Outcome.REFUSED, str(error)) from None


class Client:
    """Sends requests to one server; every other one over a kept connection, since clients are of both sorts."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._kept: list[Connection] = []

    async def get(self, path: str, *, keep: bool) -> Answer:
        """The whole answer, whatever its status. Raises Lost."""
        connection = self._take() if keep else None
        connection = connection or await connect(self.host, self.port)
        kept = False
        try:
            connection.writer.write(request(self.host, self.port, path, "keep-alive" if keep else "close"))
            answer, reusable = await read_answer(connection.reader)
            kept = keep and reusable and len(self._kept) < MOST_KEPT
            if kept:
                self._kept.append(connection)
            return answer
        finally:
            if not kept:
                connection.close()

    def close(self) -> None:
        for connection in self._kept:
            connection.close()
        self._kept.clear()

    def _take(self) -> Connection | None:
        while self._kept:
            connection = self._kept.pop()
            if connection.usable:
                return connection
            connection.close()
        return None


def request(host: str, port: int, path: str, connection: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: {connection}\r\n{more}\r\n".encode()


async def read_answer(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    """An answer with its body, and whether the connection may carry another request. Raises Lost where it is cut."""
    status: int | None = None
    try:
        head = await read_head(reader)
        status, coding, length = head.status, head.headers.get("transfer-encoding"), head.headers.get("content-length")
        if coding == "chunked":
            tail = await _chunks(reader)
        elif length is not None:
            tail = await _counted(reader, int(length))
        else:
            tail = await _until_the_end(reader)
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        # IncompleteReadError is an EOFError; its own words would tell of bytes only.
        why = "it ended early" if isinstance(error, EOFError) else f"{type(error).__name__}: {error}"
        raise Lost(Outcome.CUT, why, status) from None
    framed = coding == "chunked" or length is not None
    return Answer(status, head.headers, tail), framed and head.headers.get("connection", "").lower() != "close"


async def read_head(reader: asyncio.StreamReader) -> Answer:
    """Status and headers. Raises EOFError, OSError, ValueError, asyncio.LimitOverrunError."""
    first, *rest = (await reader.readuntil(HEAD_END)).decode("latin-1").split("\r\n")
    found = STATUS_LINE.match(first)
    if not found:
        raise ValueError(f"no status line but {first[:40]!r}")
    pairs = (line.partition(":") for line in rest if line)
    return Answer(int(found[1]), {name.strip().lower(): value.strip() for name, _, value in pairs})


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    tail = b""
    while size := int((await _line(reader)).partition(b";")[0], 16):
        tail = (tail + await _counted(reader, size))[-TAIL_BYTES:]
        await reader.readexactly(2)
    while await _line(reader):  # trailers
        pass
    return tail


async def _line(reader: asyncio.StreamReader) -> bytes:
    return (await reader.readuntil(b"\r\n"))[:-2]


async def _counted(reader: asyncio.StreamReader, size: int) -> bytes:
    tail = b""
    while size:
        block = await reader.readexactly(min(size, BLOCK_BYTES))
        size -= len(block)
        tail = (tail + block)[-TAIL_BYTES:]
    return tail


async def _until_the_end(reader: asyncio.StreamReader) -> bytes:
    tail = b""
    while block := await reader.read(BLOCK_BYTES):
        tail = (tail + block)[-TAIL_BYTES:]
    return tail
