"""The address that a developer opens: pages get a script, and everything else passes as it is."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import re
import urllib.parse
from collections.abc import AsyncIterator, Callable, Coroutine
from unittest import mock

import httpx
import pytest

from daybreak.extras.dev.browser.door import EVENTS, SCRIPT, Door, bind, tell
from daybreak.extras.dev.browser.notices import Notices
from tests.helpers import Answer, serving
from tests.unit.extras.dev.doors import opened

PAGE = {"accept": "text/html,*/*", "sec-fetch-dest": "document"}
WHOLE = "<!doctype html><body><p>hello</p></body>"


def in_a_loop(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*given: object, **named: object) -> None:
        asyncio.run(test(*given, **named))

    return run


@contextlib.asynccontextmanager
async def door_to(answer: Answer) -> AsyncIterator[tuple[Door, Notices, httpx.AsyncClient]]:
    async with serving(answer) as port:
        with opened(f"http://127.0.0.1:{port}") as (door, notices):
            async with httpx.AsyncClient(base_url=door.url, trust_env=False) as client:
                yield door, notices, client


def replies(head: str, body: str, *, seen: list[str] | None = None) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", asked.lower())
        await reader.readexactly(int(length[1]) if length else 0)
        if seen is not None:
            seen.append(asked.decode().lower())
        lines = ["HTTP/1.1 200 OK", *head.split("\n"), "", body]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        writer.close()

    return answer


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"Content-Type: text/html\nContent-Length: {len(WHOLE)}\nETag: x", WHOLE),
        ("Content-Type: text/html\nTransfer-Encoding: chunked", f"{len(WHOLE):x}\r\n{WHOLE}\r\n0\r\n\r\n"),
        ("Content-Type: text/html", WHOLE),
    ],
)
@in_a_loop
async def test_a_page_gets_the_script_behind_it_however_it_comes(head: str, body: str) -> None:
    seen: list[str] = []
    async with door_to(replies(head, body, seen=seen)) as (_, notices, client):
        found = await client.get("/", headers={**PAGE, "if-none-match": "x"})
    assert found.text.startswith(WHOLE)
    assert found.text.removeprefix(WHOLE).strip() == (
        f'<script src="{SCRIPT}" data-version="{notices.version}" data-again async></script>'
    )
    assert found.headers["cache-control"] == "no-store"
    assert "etag" not in found.headers
    # A page that the browser has kept would have an older script in it, and a packed one cannot be added to.
    assert "if-none-match" not in seen[0]
    assert "accept-encoding" not in seen[0]


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("application/json", PAGE),
        ("text/html\nContent-Encoding: gzip", PAGE),
        ("text/html", {"accept": "*/*"}),
        ("text/html", {**PAGE, "sec-fetch-dest": "iframe"}),
        ("text/html", {**PAGE, "sec-fetch-dest": "empty"}),
    ],
)
@in_a_loop
async def test_what_is_no_page_passes_as_it_is(kind: str, asked: dict[str, str]) -> None:
    body = "{}"
    async with (
        door_to(replies(f"Content-Type: {kind}\nContent-Length: 2\nETag: x", body)) as (_, _, client),
        client.stream("GET", "/", headers=asked) as found,
    ):
        assert b"".join([piece async for piece in found.aiter_raw()]) == b"{}"
        assert found.headers["etag"] == "x"


@in_a_loop
async def test_the_page_that_a_form_has_made_is_not_asked_for_again() -> None:
    async with door_to(replies("Content-Type: text/html", WHOLE)) as (_, _, client):
        found = await client.post("/", headers=PAGE, content=b"x" * 70_000)
    assert SCRIPT in found.text
    assert "data-again" not in found.text


@in_a_loop
async def test_a_stream_comes_as_it_comes_and_both_ways() -> None:
    """A WebSocket, and an upload that is answered while it goes on, are bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert b"connection: upgrade" in asked.lower()
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while piece := await reader.readexactly(4):
            writer.write(piece.upper())
            await writer.drain()

    async with door_to(answer) as (door, _, _):
        port = urllib.parse.urlsplit(door.url).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = ["GET /ws HTTP/1.1", f"Host: localhost:{port}", "Connection: Upgrade", "Upgrade: websocket", "", ""]
        writer.write("\r\n".join(lines).encode())
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
        for word in (b"ping", b"pong"):
            writer.write(word)
            assert await reader.readexactly(4) == word.upper()
        writer.close()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "0.0.0.0", "a@127.0.0.1"]
)
@in_a_loop
async def test_other_names_are_refused(host: str) -> None:
    async with door_to(replies("Content-Type: text/html", WHOLE)) as (_, _, client):
        for path in ("/", EVENTS, SCRIPT):
            assert (await client.get(path, headers={**PAGE, "host": host})).status_code == 421


@in_a_loop
async def test_pages_are_told_what_is_wrong_and_of_new_code() -> None:
    async with door_to(replies("Content-Type: text/html", WHOLE)) as (_, notices, client):
        before = notices.version
        async with client.stream("GET", EVENTS) as events:
            lines = (line.removeprefix("data: ") async for line in events.aiter_lines() if line)
            assert json.loads(await anext(lines)) == {"version": before, "wrong": None}
            notices.wrong("1 syntax error", ["app.py:1:1: <b>"])
            told = {"title": "1 syntax error", "lines": ["app.py:1:1: <b>"]}
            assert json.loads(await anext(lines)) == {"version": before, "wrong": told}
            notices.replaced()
            now = json.loads(await anext(lines))
            assert now["wrong"] is None
            assert now["version"] != before
        other = await client.get(EVENTS, headers={"sec-fetch-site": "cross-site"})
        assert other.status_code == 403


@pytest.mark.parametrize("turns", range(6))
@in_a_loop
async def test_a_page_that_goes_when_news_come_is_told_nothing_more(turns: int) -> None:
    """`turns` of the loop lie between the two: whatever has been done by then, the end is one."""
    news, writer = asyncio.Event(), mock.create_autospec(asyncio.StreamWriter, instance=True)
    telling = asyncio.create_task(tell(Notices(), writer, news))
    await asyncio.sleep(0)
    news.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    telling.cancel()
    ended, _ = await asyncio.wait([telling], timeout=5)
    telling.cancel()
    assert ended


@in_a_loop
async def test_where_nothing_answers_a_page_waits_for_it() -> None:
    with opened(None) as (door, _):
        async with httpx.AsyncClient(base_url=door.url, trust_env=False) as client:
            page, other = await client.get("/", headers=PAGE), await client.get("/")
    assert (page.status_code, other.status_code) == (502, 502)
    assert SCRIPT in page.text
    assert SCRIPT not in other.text


@in_a_loop
async def test_what_is_no_http_is_answered() -> None:
    with opened(None) as (door, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", urllib.parse.urlsplit(door.url).port)
        writer.write(b"hello\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()


def test_a_port_that_somebody_has_is_left_to_them() -> None:
    with bind(0) as first, bind(first.getsockname()[1]) as second:
        assert second.getsockname()[1] != first.getsockname()[1]
