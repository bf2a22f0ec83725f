"""Whether requests are answered now: a real HAProxy, with a door behind it that opens, closes and falls silent."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import signal
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from daybreak.backends.fake import FakeBackend
from daybreak.keeper.followers import Followers
from daybreak.keeper.gateway.counts import LEAST_ANSWERS, Application
from daybreak.keeper.gateway.pause import Pause
from daybreak.keeper.gateway.request_line import parse
from daybreak.keeper.gateway.under_way import unanswered
from daybreak.keeper.status import answering
from daybreak.keeper.status.answering import MANY, Answering, told
from daybreak.states import Health, ServiceState
from daybreak.timeline.event import Kind
from daybreak.timeline.status import ServiceStatus
from tests.haproxy import PROGRAMS
from tests.unit.helpers import service
from tests.unit.keeper.gateway.bench import Bench, bench, story, waiting
from tests.unit.keeper.gateway.lines import line

pytestmark = [
    pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy"),
    pytest.mark.parametrize("program", PROGRAMS),
]


NOW_MS = 1_700_000_000_000


class Asking:
    """What is asked of the bench's gateway; no requests have been answered."""

    def __init__(self, made: Bench) -> None:
        self.traffic = SimpleNamespace(answered_ms=0, now_ms=lambda: NOW_MS, applications={})
        self.rows = {name: ServiceStatus(name, state=ServiceState.READY) for name in ("gateway", "serve")}
        cluster = replace(made.cluster, services=(*made.cluster.services, service("serve")))
        followers = SimpleNamespace(
            desired=SimpleNamespace(cluster=cluster),
            board=SimpleNamespace(rows=self.rows),
            gateway=made.steering,
            traffic=self.traffic,
        )
        self._answering = Answering(cast(Followers, followers), FakeBackend())

    def learn(self, count: int, latency_ms: int) -> None:
        """So many requests were answered in the last minute, the last one ten seconds ago."""
        one, at_ms = Application(), NOW_MS - 10_000
        for _ in range(count):
            found = parse(line(at_ms, took_ms=latency_ms))
            assert found
            one.add(found, NOW_MS // 1000)
        self.traffic.applications, self.traffic.answered_ms = {"default": one}, at_ms

    async def wrongs(self) -> dict[str, str]:
        return await self._answering.wrongs()


async def until_waiting(made: Bench, count: int) -> None:
    while await waiting(made) != count:
        await asyncio.sleep(0.01)


async def serves(made: Bench) -> Asking:
    await made.upstream.start()
    made.tell(Kind.READY, "serve")
    assert (await made.get())[0] == 200
    asking = Asking(made)
    assert await asking.wrongs() == {}
    return asking


@story
async def test_a_door_that_is_closed_is_told_at_once_and_no_more_when_it_is_open(folder: Path, program: str) -> None:
    async with bench(folder, program) as made:
        asking = await serves(made)
        await made.upstream.stop()
        assert list(await asking.wrongs()) == ["serve"]
        request = asyncio.create_task(made.get())
        await until_waiting(made, 1)
        assert list(await asking.wrongs()) == ["serve"]
        await made.upstream.start()
        assert (await request)[0] == 200
        assert await asking.wrongs() == {}


@story
async def test_requests_that_wait_because_somebody_wants_it_are_nothing_wrong(folder: Path, program: str) -> None:
    async with bench(folder, program) as made:
        asking = await serves(made)
        made.steering.pauses.begin(Pause(1.0))
        await made.steering.obey()
        request = asyncio.create_task(made.get())
        await until_waiting(made, 1)
        assert await asking.wrongs() == {}
        made.steering.pauses.end()
        assert list(await asking.wrongs()) == ["serve"], "nobody else has wanted it"
        await made.steering.obey()
        assert (await request)[0] == 200


@story
async def test_who_has_left_waits_no_longer_than_it_would_have(folder: Path, program: str) -> None:
    async with bench(folder, program, hold="1s") as made:
        made.tell(Kind.READY, "serve")
        for ends in ("reset", "close"):
            with socket.create_connection(("127.0.0.1", made.cluster.spec.port("serve"))) as client:
                if ends == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                await until_waiting(made, 1)
            await until_waiting(made, 0)


@story
async def test_a_gateway_that_is_stopped_is_silent(folder: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "GATEWAY_S", 0.1)
    async with bench(folder, program) as made:
        asking = await serves(made)
        assert made.process
        made.process.send_signal(signal.SIGSTOP)
        assert list(await asking.wrongs()) == ["gateway"]
        made.process.send_signal(signal.SIGCONT)


@story
async def test_a_door_that_is_silent_counts_unless_requests_are_answered_meanwhile(
    folder: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "DOOR_S", 0.1)
    async with bench(folder, program) as made:
        asking = await serves(made)

        async def silent(*_: Any) -> None:
            await made.upstream.go.wait()

        monkeypatch.setattr(made.upstream, "_answer", silent)
        assert await asking.wrongs() == {"serve": "no answer within 0.1 s"}
        asking.traffic.answered_ms = NOW_MS - 100
        assert await asking.wrongs() == {}
        asking.traffic.answered_ms = NOW_MS + 10_000
        assert list(await asking.wrongs()) == ["serve"], "the clock was set back"


@contextlib.asynccontextmanager
async def coming(made: Bench, slow: list[asyncio.Task[tuple[int, str]]]) -> AsyncIterator[None]:
    """Others keep coming."""

    async def come() -> None:
        while True:
            slow.append(asyncio.create_task(made.get("/slow")))
            await asyncio.sleep(0.05)

    comes = asyncio.create_task(come())
    yield
    comes.cancel()


@story
async def test_applications_behind_an_open_door_that_answer_nothing_are_told(folder: Path, program: str) -> None:
    async with bench(folder, program) as made:
        asking = await serves(made)
        slow = [asyncio.create_task(made.get("/slow")) for _ in range(MANY)]
        while sum(age_s >= 1.0 for age_s in await unanswered(made.socket, 5.0)) < MANY:
            await asyncio.sleep(0.05)
        asking.learn(30 * LEAST_ANSWERS, 5)
        assert await asking.wrongs() == {}, "they came together: they may take long"
        async with coming(made, slow):
            asking.learn(1, 5)
            assert await asking.wrongs() == {}, "nobody knows how long requests take"
            asking.learn(LEAST_ANSWERS, 9_000)
            assert await asking.wrongs() == {}, "they take as long"
            asking.learn(30 * LEAST_ANSWERS, 5)
            while not (found := await asking.wrongs()):
                await asyncio.sleep(0.01)
        assert re.fullmatch(r"\d+ requests wait for more than 1 s, and none was answered meanwhile", found["serve"])
        made.upstream.go.set()
        await asyncio.gather(*slow)
        assert await asking.wrongs() == {}


@story
async def test_an_answer_that_has_begun_waits_for_nothing(folder: Path, program: str) -> None:
    async with bench(folder, program) as made:
        await serves(made)
        again = made.upstream._answer

        async def streams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            await again(reader, writer)

        made.upstream._answer = streams  # type: ignore[method-assign]
        streamed = asyncio.create_task(made.get("/slow"))
        while made.upstream.under_way == 0:
            await asyncio.sleep(0.01)
        made.upstream._answer = again  # type: ignore[method-assign]
        waits = asyncio.create_task(made.get("/slow", method="POST"))
        while not max(await unanswered(made.socket, 5.0), default=0.0):
            await asyncio.sleep(0.05)
        assert len(await unanswered(made.socket, 5.0)) == 1
        made.upstream.go.set()
        await asyncio.gather(streamed, waits)


@story
async def test_what_the_keeper_itself_lacks_says_nothing_about_others(
    folder: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(folder, program) as made:
        asking = await serves(made)

        async def no_files(*_: object, **__: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(asyncio, "open_connection", no_files)
        monkeypatch.setattr(asyncio, "open_unix_connection", no_files)
        assert await asking.wrongs() == {}
        monkeypatch.undo()


@story
async def test_what_is_known_to_be_unwell_is_not_asked(folder: Path, program: str) -> None:
    async with bench(folder, program) as made:
        asking = await serves(made)
        await made.upstream.stop()
        asking.rows["serve"] = replace(asking.rows["serve"], health=Health.UNHEALTHY, reason="its replicas have ended")
        rows = tuple(asking.rows.values())
        assert await asking.wrongs() == {}
        assert told(rows, {"serve": "no answer"}) == rows
        assert told(rows, {"gateway": "no answer"})[0].health is Health.FAILING
