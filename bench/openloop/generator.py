"""The loop: requests begin when they are due, until standard input ends; each one's record is a line."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TextIO

from bench.openloop.exchange import Answer, Client, Lost
from bench.openloop.records import Kind, Outcome, Request, Settings, Shape
from bench.openloop.websocket import WebSocket

# Each WebSocket carries a message this often.
MESSAGE_EVERY_S = 0.1

# One request; returns status and version, or raises Lost.
Ask = Callable[[], Awaitable[tuple[int, str | None]]]


class Loop:
    """Everything that is asked of one server; `write` gets a line per request that has ended."""

    def __init__(self, settings: Settings, write: Callable[[str], object]) -> None:
        self._settings = settings
        self._write = write
        self._client = Client(settings.host, settings.port)
        self._sockets: list[WebSocket] = []
        self._stopping = asyncio.Event()
        self._asked: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until `stop`, and until what was asked by then has ended. What goes wrong here ends the loop."""
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as paces:
            for kind in self._settings.kinds:
                for place, (every_s, asks) in enumerate(streams := self._streams(kind)):
                    paces.create_task(self._pace(kind, began_s + every_s * place / len(streams), every_s, asks))
        if self._asked:
            await asyncio.gather(*self._asked)
        self._client.close()
        for socket in self._sockets:
            await socket.close()

    def stop(self) -> None:
        self._stopping.set()

    def _streams(self, kind: Kind) -> list[tuple[float, Iterator[Ask]]]:
        """Evenly spaced requests: one stream for HTTP, one for each WebSocket. (Seconds between two, requests)."""
        rate = self._settings.rate_of(kind)
        if kind.shape == Shape.HTTP:
            return [(1 / rate, (self._getting(kind, keep=number % 2 == 0) for number in itertools.count()))]
        count = max(1, round(rate * MESSAGE_EVERY_S))
        new = [WebSocket(self._settings.host, self._settings.port, kind.path) for _ in range(count)]
        self._sockets += new
        return [(count / rate, itertools.repeat(_saying(socket))) for socket in new]

    def _getting(self, kind: Kind, *, keep: bool) -> Ask:
        async def ask() -> tuple[int, str | None]:
            return _judged(await self._client.get(kind.path, keep=keep), kind)

        return ask

    async def _pace(self, kind: Kind, first_s: float, every_s: float, asks: Iterator[Ask]) -> None:
        """Whoever comes late to what was due meanwhile begins all of it at once: what is due does not wait."""
        for number, ask in enumerate(asks):
            due_s = first_s + number * every_s
            try:
                async with asyncio.timeout(max(0.0, due_s - time.monotonic())):
                    await self._stopping.wait()
                return
            except TimeoutError:
                pass
            task = asyncio.create_task(self._one(kind, due_s, ask))
            self._asked.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            self._asked.discard(task)
        else:
            self.stop()  # `run` raises what it was

    async def _one(self, kind: Kind, due_s: float, ask: Ask) -> None:
        began_s = time.monotonic()
        outcome, status, version, error = Outcome.OK, None, None, None
        try:
            async with asyncio.timeout_at(due_s + kind.lasts_s + self._settings.timeout_s):
                status, version = await ask()
        except TimeoutError:
            outcome = Outcome.TIMED_OUT
        except Lost as lost:
            outcome, status, error = lost.outcome, lost.status, str(lost)
        done = Request(kind.name, due_s, began_s, time.monotonic(), outcome, status, version, error)
        self._write(done.to_line())


def _saying(socket: WebSocket) -> Ask:
    async def ask() -> tuple[int, str | None]:
        return 101, await socket.say()

    return ask


def _judged(answer: Answer, kind: Kind) -> tuple[int, str | None]:
    """Raises Lost for a whole answer that is none."""
    if answer.outcome != Outcome.OK:
        says = " ".join(answer.tail.decode(errors="replace").split())
        raise Lost(answer.outcome, f"status {answer.status}: ...{says}", answer.status)
    if not answer.tail.endswith(kind.ends_with.encode()):
        raise Lost(Outcome.CUT, "the last part is missing, though it was framed as whole", answer.status)
    return answer.status, answer.version


async def until_input_ends(settings: Settings, out: TextIO) -> None:
    """Carry out the loop until whoever started it closes this process's standard input, or ends itself."""
    loop = Loop(settings, out.write)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    reader_ended = asyncio.create_task(reader.read())
    reader_ended.add_done_callback(lambda _: loop.stop())
    try:
        await loop.run()
    finally:
        transport.close()
