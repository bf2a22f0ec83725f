"""Probes by HTTP: what counts as an answer, and how much of it is read."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from daybreak.backends.fake import FakeBackend
from daybreak.health import http
from daybreak.health.checks import attempt
from daybreak.health.http import Answer
from daybreak.health.verdict import Failed, NotYet, Verdict
from daybreak.services.service import HttpCheck, Service, Tier
from tests.helpers import free_port, serving

SERVICE = Service("api", Tier.APP, ("true",), "/")


def ask(raw: bytes, *, most_bytes: int = http.MOST_BYTES, token: str | None = None) -> tuple[Answer, bytes]:
    """The answer that a server of these bytes gives, and what it was asked."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(raw)
        writer.close()

    async def story() -> Answer:
        async with serving(answer) as port:
            url = f"http://127.0.0.1:{port}/path?a=b"
            return await http.get(url, most_bytes=most_bytes, token=token)

    return asyncio.run(story()), seen[0]


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and what nobody announced",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200\r\n\r\nhello",
    ],
)
def test_a_body_ends_as_its_headers_say(raw: bytes) -> None:
    assert ask(raw)[0] == Answer(200, "hello")


def test_what_is_asked() -> None:
    _, asked = ask(b"HTTP/1.1 204 No Content\r\n\r\n", token="word")
    lines = asked.decode().lower().splitlines()
    assert lines[0] == "get /path?a=b http/1.1"
    assert {"user-agent: daybreak", "connection: close", "authorization: bearer word"} < set(lines)


@pytest.mark.parametrize(
    "head", [b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", b"Content-Length: 99999999\r\n\r\n", b"\r\n"]
)
def test_no_more_is_read_than_was_asked_for(head: bytes) -> None:
    answer, _ = ask(b"HTTP/1.1 200 OK\r\n" + head + b"x" * 300_000, most_bytes=1000)
    assert answer == Answer(200, "x" * 1000)


@pytest.mark.parametrize(
    "raw",
    [
        b"+PONG\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nwords\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    ],
)
def test_what_is_no_complete_answer_is_an_error(raw: bytes) -> None:
    with pytest.raises(OSError, match="does not speak HTTP"):
        ask(raw)


def test_a_connection_that_is_closed_at_once_is_told_as_that() -> None:
    with pytest.raises(OSError, match=r"^http://127.0.0.1:\d+/path\?a=b closed the connection without an answer$"):
        ask(b"")


async def asked_of_one_that_closes(times: int, *, reset: bool) -> tuple[Answer, int]:
    """The answer of a server that closes so many connections first, and on how many it was asked."""
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections > times:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        elif reset:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async with serving(answer) as port:
        return await http.get(f"http://127.0.0.1:{port}/"), connections


@pytest.mark.parametrize("reset", [False, True])
def test_a_server_that_is_just_being_replaced_is_asked_again(reset: bool) -> None:
    assert asyncio.run(asked_of_one_that_closes(2, reset=reset)) == (Answer(200, "hello"), 3)


def test_an_answer_that_breaks_off_is_not_asked_for_again() -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200")
        await writer.drain()
        writer.close()

    async def story() -> None:
        async with serving(answer) as port:
            with pytest.raises(OSError, match="does not speak HTTP"):
                await http.get(f"http://127.0.0.1:{port}/")

    asyncio.run(story())
    assert connections == 1


def verdict(url: str) -> Verdict:
    return asyncio.run(attempt(HttpCheck(url), SERVICE, FakeBackend(), instance="i1", timeout_s=5.0))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http:///", "http://[::1/", "http://127.0.0.1:1/a b"]
)
def test_what_is_no_url_never_becomes_ready(url: str) -> None:
    assert isinstance(verdict(url), Failed)


def test_where_nothing_listens_something_may_later() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    assert verdict(url) == NotYet(f"nothing listens at {url}")


def test_redirects_are_answers() -> None:
    assert ask(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n")[0].status == 302
