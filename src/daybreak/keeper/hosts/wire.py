"""How keepers talk over TLS: lines of JSON, each bounded, each with a deadline; a host knows the other end by its
certificate's fingerprint and sends nothing to anybody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.health.http import close
from daybreak.keeper.control.error_json import error_from_json
from daybreak.keeper.hosts.token import fingerprint

# Secrets may have 1 MiB each, and are sent with everything else that a host should have.
MOST_LINE_BYTES = 16 * 1024 * 1024
BLOCK_BYTES = 256 * 1024
ANSWER_S = 20.0
# Of <linux/in.h> and <linux/in6.h>: Python's socket has neither.
IP_MTU, IPV6_MTU = 14, 24


class NotReached(DaybreakError):
    """Nobody answers there, or the connection ended."""


class NotTheOne(DaybreakError):
    """Somebody else answers there: nothing was sent."""


@dataclass(frozen=True)
class Place:
    """Where the first machine's keeper listens for hosts, and how it is known."""

    address: str
    port: int
    fingerprint: str

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer

    @property
    def own_address(self) -> str:
        """This machine's, as the other end sees it where nothing stands between them."""
        return str(self._writer.get_extra_info("sockname")[0])

    @property
    def mtu(self) -> int | None:
        """How many bytes a packet may have on the way to the other end, as far as this one knows."""
        own = self._writer.get_extra_info("socket")
        if own is None:  # it has just been closed
            return None
        six = own.family == socket.AF_INET6
        level, option = (socket.IPPROTO_IPV6, IPV6_MTU) if six else (socket.IPPROTO_IP, IP_MTU)
        try:
            return int(own.getsockopt(level, option))
        except OSError:
            return None

    def send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def receive(self, within_s: float = ANSWER_S) -> dict[str, Any]:
        """The next message. Raises NotReached where none comes, and the error that came instead of one."""
        try:
            async with asyncio.timeout(within_s):
                line = await self.reader.readline()
            message = json.loads(line) if line.endswith(b"\n") else None
        except TimeoutError:
            raise NotReached(f"no answer within {within_s:g} s") from None
        except (OSError, ValueError) as error:
            raise NotReached(f"the connection broke: {error}") from error
        if not isinstance(message, dict):
            raise NotReached("the connection was closed")
        if "error" in message:
            raise error_from_json(message["error"])
        return message

    async def send_bytes(self, data: bytes) -> None:
        """As fast as the other end takes them. Raises OSError, also where it takes none for a while."""
        self._writer.write(data)
        async with asyncio.timeout(ANSWER_S):
            await self._writer.drain()

    async def receive_bytes(self, most: int) -> bytes:
        """Some, at most so many. Raises NotReached where none come."""
        try:
            async with asyncio.timeout(ANSWER_S):
                data = await self.reader.read(most)
        except (TimeoutError, OSError) as error:
            raise NotReached(f"the connection broke: {error or 'nothing came'}") from error
        if not data:
            raise NotReached("the connection was closed")
        return data

    async def close(self) -> None:
        await close(self._writer)


@contextlib.asynccontextmanager
async def connected(place: Place, own: tuple[Path, Path] | None = None) -> AsyncIterator[Line]:
    """A connection to the first machine; `own` are this host's certificate and key, once it has joined.

    Raises NotReached and NotTheOne.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # It is known by its fingerprint alone, below: no authority of the system's has a say.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if own:
        context.load_cert_chain(*own)
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(
                place.address, place.port, ssl=context, limit=MOST_LINE_BYTES
            )
    except TimeoutError:
        raise NotReached(f"{place} does not answer within {ANSWER_S:g} s") from None
    except OSError as error:
        raise NotReached(f"{place} does not answer: {error.strerror or error}") from error
    line = Line(reader, writer)
    try:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if not certificate or fingerprint(certificate) != place.fingerprint:
            raise NotTheOne(
                f"at {place} answers somebody with another certificate: nothing was sent",
                hint="copy the line of `daybreak invite` anew; if it is the same, somebody stands in between",
            )
        yield line
    finally:
        await line.close()
