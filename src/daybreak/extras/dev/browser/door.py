"""The address that a developer opens: the application's answers, with a script in its pages that shows mistakes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import h11

from daybreak.accepting import stop_accepting
from daybreak.extras.dev.browser import exchange
from daybreak.extras.dev.browser.notices import Notices

LOOPBACK = "127.0.0.1"
# No application has such a path.
OWN = "/.daybreak/dev/"
SCRIPT, EVENTS = f"{OWN}overlay.js", f"{OWN}events"
# A client that connects and says nothing.
ASK_S = 30.0
# So soon it is noticed that a page has gone.
BEAT_S = 15.0
BACKLOG = 64
REFUSED = "This address answers to localhost and 127.0.0.1 alone.\n"
ABSENT = "daybreak dev: the application does not answer yet.\n"


def bind(preferred: int) -> socket.socket:
    """A socket on loopback, at the preferred port if that is free. Raises OSError."""
    for port in (preferred, 0):
        made = socket.socket()
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((LOOPBACK, port))
            made.listen(BACKLOG)
            return made
        except (OSError, OverflowError) as error:
            made.close()
            refused = error
    raise OSError(f"no port of {LOOPBACK} can be listened on: {refused}")


class Door:
    """Answers browsers from `run`, in a thread of its own, until `close`. `upstream` is where the application answers;
    None as long as it does not."""

    def __init__(self, listening: socket.socket, notices: Notices) -> None:
        self._listening, self._notices = listening, notices
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._answering: set[asyncio.Task[object]] = set()
        self.upstream: str | None = None
        self.url = f"http://{LOOPBACK}:{listening.getsockname()[1]}"

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    def close(self) -> None:
        self._soon(self._over)

    def _soon(self, event: asyncio.Event) -> None:
        """Set it, from another thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(event.set)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._listening, limit=exchange.LONGEST_HEAD)
        try:
            await self._over.wait()
        finally:
            await stop_accepting((server,))
            server.close()
            for task in self._answering:
                task.cancel()
            await asyncio.gather(*self._answering, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, h11.ProtocolError, asyncio.CancelledError)
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            with contextlib.suppress(*gone):
                await self._exchange(reader, writer)
        finally:
            await exchange.closed(writer)
            self._answering.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = h11.Connection(h11.SERVER, max_incomplete_event_size=exchange.LONGEST_HEAD)
        async with asyncio.timeout(ASK_S):
            head = await reader.readuntil(b"\r\n\r\n")
        try:
            asked.receive_data(head)
            request = asked.next_event()
        except h11.RemoteProtocolError:
            await _answer(writer, "400 Bad Request", "text/plain", "This is no HTTP request.\n")
            return
        assert isinstance(request, h11.Request)
        path = request.target.decode("latin-1").partition("?")[0]
        if not exchange.is_for_us(request):
            await _answer(writer, "421 Misdirected Request", "text/plain", REFUSED)
        elif path == SCRIPT:
            text = Path(__file__).with_name("overlay.js").read_text()
            await _answer(writer, "200 OK", "text/javascript", text)
        elif path == EVENTS:
            await self._follow(reader, writer, request)
        else:
            await self._forward(reader, writer, asked, request)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: h11.Connection, request: h11.Request
    ) -> None:
        page, tag = exchange.wants_page(request), self._tag(request)
        try:
            if self.upstream is None:
                raise ConnectionRefusedError
            async with exchange.connected(self.upstream) as (theirs, to_them):
                ours = h11.Connection(h11.CLIENT, max_incomplete_event_size=exchange.LONGEST_HEAD)
                to_them.write(ours.send(exchange.onward(request)) or b"")
                # An old client would not understand how a newer answer comes.
                if page or request.http_version < b"1.1":
                    back = exchange.relay(theirs, writer, ours, asked, tag if page else b"")
                else:
                    back = exchange.pump(theirs, writer)
                await exchange.first(exchange.pump(reader, to_them), back)
        except (ConnectionRefusedError, TimeoutError):
            body = f"<!doctype html><title>daybreak dev</title><p>{ABSENT}{tag.decode()}" if page else ABSENT
            await _answer(writer, "502 Bad Gateway", "text/html" if page else "text/plain", body)

    def _tag(self, request: h11.Request) -> bytes:
        """The script knows which code has made its page, and whether the page may be asked for once more."""
        again = " data-again" if request.method == b"GET" else ""
        return f'\n<script src="{SCRIPT}" data-version="{self._notices.version}"{again} async></script>\n'.encode()

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request) -> None:
        """What a page is told, until it is closed."""
        if exchange.header(request, b"sec-fetch-site") not in ("", "none", "same-origin"):
            await _answer(writer, "403 Forbidden", "text/plain", "Requests of other sites are refused.\n")
            return
        news = asyncio.Event()
        news.set()
        with self._notices.followed(lambda: self._soon(news)):
            writer.write(_head("200 OK", "text/event-stream"))
            await exchange.first(reader.read(), tell(self._notices, writer, news))


async def tell(notices: Notices, writer: asyncio.StreamWriter, news: asyncio.Event) -> None:
    """Each time there are news, and a word in between, until it is cancelled."""
    while True:
        text = ":\n\n"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                await news.wait()
            news.clear()
            text = f"data: {notices.as_json()}\n\n"
        writer.write(text.encode())
        await writer.drain()


async def _answer(writer: asyncio.StreamWriter, status: str, kind: str, body: str) -> None:
    """An answer of our own."""
    text = body.encode()
    writer.write(_head(status, kind, f"Content-Length: {len(text)}") + text)
    await writer.drain()


def _head(status: str, kind: str, *more: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}; charset=utf-8",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Cross-Origin-Resource-Policy: same-origin",
        "Connection: close",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()
