"""When Serve counts as reachable: its routes are there, and somebody stands behind them."""

from __future__ import annotations

import asyncio
import json

import pytest

from daybreak.backends.fake import FakeBackend
from daybreak.health.checks import NotYet, Ready, Verdict, attempt
from daybreak.services.base import ServeCheck, Service, Tier

SERVICE = Service("serve", Tier.APP, ("true",), "/")


async def ask(routes: dict[str, str] | None, health: int, wanted: tuple[str, ...] = ("/",)) -> Verdict:
    """The verdict on a proxy that answers so; None: it has no list of routes yet."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        listed = path == "/-/routes" and routes is not None
        status = (200 if listed else 503) if path == "/-/routes" else health
        body = json.dumps(routes) if listed else "words"
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        check = ServeCheck(f"http://127.0.0.1:{port}", wanted)
        return await attempt(check, SERVICE, FakeBackend(), instance="i1", timeout_s=5.0)


@pytest.mark.parametrize(
    ("routes", "health", "expected"),
    [
        ({"/": "default"}, 200, Ready()),
        ({"/": "default"}, 503, NotYet("no replica behind the routes yet (503)")),
        ({}, 200, NotYet("no route / yet")),
        (None, 200, NotYet("Serve's proxy answers 503: words")),
    ],
)
def test_a_route_counts_when_a_replica_stands_behind_it(
    routes: dict[str, str] | None, health: int, expected: Verdict
) -> None:
    assert asyncio.run(ask(routes, health)) == expected
