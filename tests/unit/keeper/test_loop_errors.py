"""A server that runs out of files says so, and does not fill the disk with it."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from daybreak.keeper.loop_errors import INTERVAL_S, Sparing
from daybreak.testing.clock import run


@contextmanager
def no_more_files() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        highest = stack.enter_context(open("/dev/null")).fileno()
        for _ in range(highest):  # lower numbers that are free
            file = stack.enter_context(open("/dev/null"))
            highest = max(highest, file.fileno())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_accepting_without_files_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        handler = Sparing()
        called = asyncio.Event()

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
            handler(loop, context)
            called.set()

        loop.set_exception_handler(handle)
        async with await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0) as server:
            with socket.socket() as asking:
                asking.setblocking(False)
                with no_more_files():
                    await loop.sock_connect(asking, server.sockets[0].getsockname())
                    await called.wait()

    asyncio.run(story())
    assert len([record for record in caplog.records if "accept" in record.getMessage()]) == 1


def test_it_is_told_again_later_and_all_else_every_time(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        loop, handler = asyncio.get_running_loop(), Sparing()
        for _ in range(3):
            handler(loop, {"message": "socket.accept() out of system resource"})
            handler(loop, {"message": "Task exception was never retrieved"})
        await asyncio.sleep(INTERVAL_S)
        handler(loop, {"message": "socket.accept() out of system resource"})

    with caplog.at_level(logging.ERROR):
        run(story())
    assert [record.getMessage()[:4] for record in caplog.records] == ["sock", "Task", "Task", "Task", "sock"]
