"""One request and its answer, on a connection of their own to the application: bodies pass as bytes.

The answer is read as HTTP where a browser wants a whole page alone. All else (streams, uploads, WebSockets) is
handed over as it comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any
from urllib.parse import urlsplit

import h11

from daybreak.hosts import host_name, is_loopback

# Of a request's, or an answer's, lines before the body.
LONGEST_HEAD = 2**18
PIECE = 2**16
CONNECT_S = 5.0
CLOSE_S = 5.0
# They are about one connection, and ours are others.
HOP = (b"connection", b"keep-alive", b"proxy-connection")
# A page is read as text, and is always the whole one: what a browser had before has an older script in it.
OF_WHOLE_TEXTS = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
NO_PAGE = (204, 206, 304)

Headers = Iterable[tuple[bytes, bytes]]


def header(found: h11.Request | h11.Response, name: bytes) -> str:
    """Its value, empty where there is none; the first one of several."""
    return next((value.decode("latin-1") for key, value in found.headers if key == name), "")


def is_for_us(request: h11.Request) -> bool:
    """Is it asked for by a name of this machine alone? Other sites' names may lead here, too (DNS rebinding)."""
    name = host_name(header(request, b"host"))
    return name is not None and (name == "localhost" or is_loopback(name))


def upgrades(request: h11.Request) -> bool:
    return "upgrade" in header(request, b"connection").lower()


def wants_page(request: h11.Request) -> bool:
    """Is the answer to be shown in a window of its own? Frames and what scripts ask for are none."""
    dest = header(request, b"sec-fetch-dest")
    asks = dest == "document" if dest else "text/html" in header(request, b"accept")
    return asks and request.method != b"HEAD" and not upgrades(request)


def onward(request: h11.Request) -> h11.Request:
    """The request as the application gets it."""
    pairs: Headers = request.headers.raw_items()
    if not upgrades(request):
        left_out = {*HOP, *(OF_WHOLE_TEXTS if wants_page(request) else ())}
        pairs = [*(pair for pair in pairs if pair[0].lower() not in left_out), (b"Connection", b"close")]
    return h11.Request(method=request.method, target=request.target, headers=list(pairs))


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the application. Raises OSError and TimeoutError."""
    parts = urlsplit(url)
    secure = None
    if parts.scheme == "https":
        # The certificate is for the name that users know, and this is the machine itself.
        secure = ssl.create_default_context()
        secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE
    port = parts.port or (443 if secure else 80)
    async with asyncio.timeout(CONNECT_S):
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure, limit=LONGEST_HEAD)
    try:
        yield reader, writer
    finally:
        await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, when what was written has gone: to whoever does not take it, not at all."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand over what comes, as it comes, until nothing does."""
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()


async def first(*works: Coroutine[Any, Any, Any]) -> None:
    """Until the first of them has ended; the others are given up then. Raises what that one raises."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ours: h11.Connection, asked: h11.Connection, tag: bytes
) -> None:
    """The answer, with `tag` behind it where it is a page: browsers take a script there for one of its body.

    `ours` is our side, which has sent the request, `asked` the client's, which has read it.
    """
    tagged = False
    while True:
        event = ours.next_event()
        if event is h11.NEED_DATA:
            ours.receive_data(await reader.read(PIECE))
            continue
        if isinstance(event, h11.Response):
            tagged = _is_page(event)
            event = _tagged(event) if tagged else _passed(event)
        if isinstance(event, h11.EndOfMessage) and tagged:
            writer.write(asked.send(h11.Data(data=tag)) or b"")
        if isinstance(event, h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage):
            writer.write(asked.send(event) or b"")
            await writer.drain()
        if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return


def _is_page(answer: h11.Response) -> bool:
    html = header(answer, b"content-type").lower().startswith("text/html")
    plain = header(answer, b"content-encoding").lower() in ("", "identity")
    return html and plain and answer.status_code not in NO_PAGE


def _passed(answer: h11.Response, *left_out: bytes) -> h11.Response:
    kept: Headers = answer.headers.raw_items()
    headers = [pair for pair in kept if pair[0].lower() not in (*HOP, *left_out)]
    return h11.Response(status_code=answer.status_code, reason=answer.reason, headers=headers)


def _tagged(answer: h11.Response) -> h11.Response:
    """What is longer than it was has another length, and is kept by no browser."""
    found = _passed(answer, b"content-length", b"transfer-encoding", b"cache-control", b"etag", b"last-modified")
    headers: Headers = found.headers.raw_items()
    return h11.Response(
        status_code=found.status_code, reason=found.reason, headers=[*headers, (b"Cache-Control", b"no-store")]
    )
