"""When Serve counts as reachable: its routes are there, and somebody stands behind them."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

import pytest

from daybreak.backends.fake import FakeBackend
from daybreak.health.checks import attempt
from daybreak.health.verdict import NotYet, Ready, Verdict
from daybreak.services.service import HttpCheck, ServeCheck, Service, Tier
from tests.helpers import serving
from tests.tls import self_signed

SERVICE = Service("serve", Tier.APP, ("true",), "/")


async def ask(
    routes: dict[str, str] | None, health: int, wanted: tuple[str, ...] = ("/",), tls: ssl.SSLContext | None = None
) -> Verdict:
    """The verdict on a proxy that answers so; None: it has no list of routes yet."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        listed = path == "/-/routes" and routes is not None
        status = (200 if listed else 503) if path == "/-/routes" else health
        body = json.dumps(routes) if listed else "words"
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()

    async with serving(answer, tls=tls) as port:
        check = ServeCheck(f"{'https' if tls else 'http'}://127.0.0.1:{port}", wanted)
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


def test_a_proxy_with_a_certificate_that_nobody_has_signed_counts_as_well(tmp_path: Path) -> None:
    assert asyncio.run(ask({"/": "default"}, 200, tls=self_signed(tmp_path))) == Ready()


@pytest.mark.parametrize(("any_certificate", "ready"), [(True, True), (False, False)])
def test_a_url_is_trusted_by_its_certificate_unless_any_will_do(
    tmp_path: Path, any_certificate: bool, ready: bool
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def story() -> Verdict:
        async with serving(answer, tls=self_signed(tmp_path)) as port:
            url = f"https://127.0.0.1:{port}/"
            check = HttpCheck(url, any_certificate=any_certificate)
            return await attempt(check, SERVICE, FakeBackend(), instance="i1", timeout_s=5.0)

    verdict = asyncio.run(story())
    assert isinstance(verdict, Ready) is ready
    if isinstance(verdict, NotYet):
        assert "certificate" in verdict.reason.lower()


@pytest.mark.parametrize(
    ("body", "ready"), [('{"registeredAgents": 1}', True), ('{"registeredAgents": 0}', False), ("404: Not Found", True)]
)
def test_a_body_may_be_one_that_lacks_something(body: str, ready: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()

    async def story() -> Verdict:
        async with serving(answer) as port:
            url = f"http://127.0.0.1:{port}/"
            check = HttpCheck(url, lacks='"registeredAgents": 0')
            return await attempt(check, SERVICE, FakeBackend(), instance="i1", timeout_s=5.0)

    assert isinstance(asyncio.run(story()), Ready) is ready
