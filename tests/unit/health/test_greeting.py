"""A gRPC server that hangs still accepts connections; what greets, or hangs up, does not hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from daybreak.backends.fake import FakeBackend
from daybreak.health import checks
from daybreak.health.checks import attempt
from daybreak.health.verdict import NotYet, Ready, Verdict
from daybreak.services.service import Check, EveryCheck, GreetingCheck, RedisCheck, Secret, TcpCheck
from tests.helpers import Answer, serving
from tests.unit.helpers import service


async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"SM\r\n\r\n")
    writer.write(bytes(9))
    await reader.read()
    writer.close()


async def hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        pass
    writer.close()


async def asked(
    answer: Answer, make: Callable[[int], Check] = lambda port: GreetingCheck("127.0.0.1", port, "the GCS")
) -> Verdict:
    async with serving(answer) as port:
        return await attempt(make(port), service("head"), FakeBackend(), instance="", timeout_s=5.0)


@pytest.mark.parametrize("answer", [greets, hangs_up])
def test_a_server_that_reacts_is_ready(answer: Answer) -> None:
    assert asyncio.run(asked(answer)) == Ready()


def test_a_server_that_accepts_and_is_silent_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "GREETING_S", 0.05)
    verdict = asyncio.run(asked(hangs))
    assert isinstance(verdict, NotYet)
    assert verdict.reason.startswith("the GCS hangs: ")


def test_of_several_checks_the_first_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(port: int) -> EveryCheck:
        return EveryCheck((TcpCheck("127.0.0.1", port), GreetingCheck("127.0.0.1", port, "the GCS")))

    assert asyncio.run(asked(greets, both)) == Ready()
    monkeypatch.setattr(checks, "GREETING_S", 0.05)
    assert isinstance(asyncio.run(asked(hangs, both)), NotYet)


def test_a_password_of_several_words_reaches_redis_as_one(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"#3\r\n"))
        writer.write(b"+OK\r\n")
        await reader.readline()
        writer.write(b"+PONG\r\n")
        writer.close()

    (tmp_path / "redis").write_text('a "b #3\n')
    secret = Secret(str(tmp_path / "redis"))
    assert asyncio.run(asked(answer, lambda port: RedisCheck("", secret, "127.0.0.1", port))) == Ready()
    assert heard == [b'*2\r\n$4\r\nAUTH\r\n$7\r\na "b #3\r\n']
