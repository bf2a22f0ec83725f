"""What tests of all kinds share: waiting for events, and ports that are free."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import select
import socket
import ssl
import time
import urllib.error
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import psutil

from daybreak.accepting import stop_accepting

# How long something that will come may take on a machine that is busy; what never comes costs a failing test this much.
DEADLINE_S = 120.0
NAP_S = 0.02
# Above the system's own range and daybreak's; offsets still fit behind them.
FIRST_PORT, OF_TESTS = 61_000, 4_000
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def until(condition: Callable[[], Any], *, what: str, timeout_s: float = DEADLINE_S) -> Any:
    """Repeat until the condition holds (a check with a deadline, not a sleep); returns what it returned.

    What cannot be reached or looked up yet, or an assertion that does not hold yet, is tried again.
    """
    deadline = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except (OSError, urllib.error.URLError, AssertionError, KeyError, StopIteration) as error:
            last = error
        time.sleep(NAP_S)
    raise AssertionError(f"not within {timeout_s:g} s: {what}; last: {last!r}")


async def eventually(condition: Callable[[], object]) -> None:
    """The same in an event loop; the deadline is that of the story around it."""
    while not condition():
        await asyncio.sleep(NAP_S)


@contextlib.asynccontextmanager
async def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server of this loop on 127.0.0.1. When it ends, so do its connections, those included that come at
    this moment."""
    answering: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering[asyncio.ensure_future(_answered(answer, reader, writer))] = writer

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await stop_accepting((server,))
        server.close()
        for task, writer in answering.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*answering, return_exceptions=True)


async def _answered(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Whoever asks may go away meanwhile."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        await answer(reader, writer)


def read_terminal(terminal: int) -> bytes:
    """What comes at our side of a terminal, until nobody has the other side any more; ours is closed then."""
    text = b""
    while select.select([terminal], [], [], DEADLINE_S)[0]:
        try:
            text += os.read(terminal, 4096)
        except OSError:  # how the other side of a terminal ends
            os.close(terminal)
            return text
    raise AssertionError(text)


def has_gone(process: psutil.Process) -> bool:
    """Whether a process has ended, also one that nobody has waited for."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # between the two questions
        return True


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens, at any address; all different, and others each time.

    The system gives none of them to whoever asks for any port, as it would those that it has chosen itself, and
    processes that test beside each other have ranges of their own: they are still free when they are listened on.
    """
    found: list[int] = []
    for _ in range(OF_TESTS):
        if len(found) == count:
            return found
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            found.append(port)
    raise AssertionError("no free ports")


def _own_ports() -> Iterator[int]:
    """Those of this process, again and again; where it begins differs from run to run."""
    width = OF_TESTS // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first = FIRST_PORT + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) * width
    for step in itertools.count(os.getpid() * 40):
        yield first + step % width


_ports = _own_ports()


def free_port() -> int:
    return free_ports(1)[0]
