"""A GET for probes on this machine: no proxies, no redirects, no connection kept, so much read and no more.

h11 knows HTTP; it is imported with the first question, so that a command that asks nothing does not pay for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import h11

OK = 200
MOST_BYTES = 256 * 1024
BLOCK_BYTES = 64 * 1024
# A server that is just being replaced, as Serve's HAProxy is for each change of its routes, may close a connection that
# it has accepted already. A GET may be sent twice: on a new connection the one that follows answers.
CONNECTIONS = 3


class _Closed(ConnectionError):
    """The other side closed the connection before a byte of an answer."""


@dataclass(frozen=True)
class Answer:
    """Status code, the text of the body or of its beginning, and of how many bytes that is."""

    status: int
    text: str
    content_type: str = field(default="", compare=False)
    size: int = field(default=0, compare=False)


async def get(
    url: str,
    *,
    token: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    most_bytes: int = MOST_BYTES,
    any_certificate: bool = False,
) -> Answer:
    """Fetch a URL, at most `most_bytes` of its body. `headers` are sent in the place of those that have their names.

    Where a connection is closed without an answer it asks again, on at most `CONNECTIONS` of them in all.

    Raises ValueError for what is no URL, OSError where no complete answer comes; the caller sets the deadline.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    if not parts.hostname:
        raise ValueError(f"{url} names no host")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = _request(parts.netloc, target, token, headers)
    for _ in range(CONNECTIONS):
        tls = _tls(any_certificate) if secure else None
        with contextlib.suppress(_Closed):
            return await _asked(url, (parts.hostname, port), tls, request, most_bytes)
    raise OSError(f"{url} closed the connection without an answer")


async def _asked(
    url: str, address: tuple[str, int], tls: ssl.SSLContext | None, request: h11.Request, most_bytes: int
) -> Answer:
    """What is answered on one connection. Raises _Closed, OSError."""
    import h11

    connection = h11.Connection(h11.CLIENT)
    try:
        reader, writer = await asyncio.open_connection(*address, ssl=tls)
    except ConnectionResetError as error:
        raise _Closed from error
    try:
        writer.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        return await _answer(connection, reader, most_bytes)
    except h11.RemoteProtocolError as error:
        raise OSError(f"{url} does not speak HTTP: {error}") from error
    finally:
        await close(writer)


def _request(host: str, target: str, token: str | None, given: Sequence[tuple[str, str]]) -> h11.Request:
    import h11

    # Ray 2.20 fails on a request that does not say what it comes from.
    own = [("Host", host), ("User-Agent", "daybreak"), ("Connection", "close")]
    names = {name.lower() for name, _ in given}
    headers = [*((name, value) for name, value in own if name.lower() not in names), *given]
    if token:
        headers.append(("Authorization", f"Bearer {token}"))
    try:
        return h11.Request(method="GET", target=target, headers=headers)
    except h11.LocalProtocolError as error:
        raise ValueError(f"{target} cannot be asked for: {error}") from error


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader, most_bytes: int) -> Answer:
    import h11

    status, kind, body = 0, b"", bytearray()
    while len(body) < most_bytes:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            begun = bool(status or connection.trailing_data[0])
            try:
                block = await reader.read(BLOCK_BYTES)
            except ConnectionResetError as error:
                raise error if begun else _Closed from error
            if not (block or begun):
                raise _Closed
            connection.receive_data(block)
        elif isinstance(event, h11.Response):
            status = event.status_code
            kind = dict(event.headers).get(b"content-type", b"")
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            break
    content = body[:most_bytes]
    return Answer(status, content.decode(errors="replace"), kind.decode("latin-1"), len(content))


def _tls(any_certificate: bool) -> ssl.SSLContext:
    """Made for each connection: a file of certificates that changes counts at once."""
    return ssl._create_unverified_context() if any_certificate else ssl.create_default_context()


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection; what the other side makes of it does not matter."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
