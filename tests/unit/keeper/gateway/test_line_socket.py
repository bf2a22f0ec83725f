"""The socket that the gateway writes its lines to."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from daybreak.keeper.gateway.line_socket import LONGEST_LINE, MOST_CONNECTIONS, LineSocket

DEADLINE_S = 10.0
Connected = Callable[[Path], Awaitable[socket.socket]]


class Taken:
    """What came."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._came = asyncio.Event()

    def take(self, lines: list[bytes]) -> None:
        self.lines += lines
        self._came.set()

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.lines) < count:
                self._came.clear()
                await self._came.wait()
        return self.lines


@contextlib.asynccontextmanager
async def listening(path: Path, taken: Taken) -> AsyncIterator[None]:
    task = asyncio.create_task(LineSocket(path, taken.take, look_s=0.01).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(name="connected")
def _connected() -> Iterator[Connected]:
    """Connects as soon as somebody listens; sends at once."""
    with contextlib.ExitStack() as stack:

        async def connected(path: Path) -> socket.socket:
            made = stack.enter_context(socket.socket(socket.AF_UNIX))
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    with contextlib.suppress(OSError):
                        made.connect(str(path))
                        return made
                    await asyncio.sleep(0.01)

        yield connected


def test_lines_come_whole_however_they_are_cut(tmp_path: Path, connected: Connected) -> None:
    async def story() -> list[bytes]:
        taken = Taken()
        async with listening(tmp_path / "gw" / "log.sock", taken):
            writer = await connected(tmp_path / "gw" / "log.sock")
            writer.send(b"one\ntw")
            await taken.until(1)
            writer.send(b"o\nthree\n")
            return await taken.until(3)

    assert asyncio.run(story()) == [b"one", b"two", b"three"]


def test_only_its_owner_can_open_it_and_it_goes_with_the_keeper(tmp_path: Path, connected: Connected) -> None:
    path = tmp_path / "gw" / "log.sock"
    path.parent.mkdir()
    path.touch()  # an earlier one's

    async def story() -> int:
        async with listening(path, Taken()):
            await connected(path)
            return stat.S_IMODE(path.stat().st_mode)

    assert asyncio.run(story()) == 0o600
    assert not path.exists()


@pytest.mark.parametrize("what", ["socket", "folder", "another's"])
def test_a_socket_that_was_deleted_is_made_anew(tmp_path: Path, connected: Connected, what: str) -> None:
    path = tmp_path / "gw" / "log.sock"

    async def story() -> list[bytes]:
        taken = Taken()
        async with listening(path, taken):
            first = await connected(path)
            first.send(b"one\n")
            await taken.until(1)
            if what == "folder":
                shutil.rmtree(path.parent)
            else:
                path.unlink()
            if what == "another's":
                path.touch()
            second = await connected(path)
            # Who was connected still is.
            first.send(b"two\n")
            await taken.until(2)
            second.send(b"three\n")
            return await taken.until(3)

    assert asyncio.run(story()) == [b"one", b"two", b"three"]


def test_a_line_without_end_takes_no_room(tmp_path: Path, connected: Connected) -> None:
    path = tmp_path / "gw" / "log.sock"

    async def story() -> list[bytes]:
        taken = Taken()
        async with listening(path, taken):
            writer = await connected(path)
            await asyncio.to_thread(writer.sendall, b"x" * 40 * LONGEST_LINE + b"\nshort\n")
            async with asyncio.timeout(DEADLINE_S):
                while not taken.lines or taken.lines[-1] != b"short":
                    await asyncio.sleep(0.01)
        return taken.lines

    found = asyncio.run(story())
    assert max(map(len, found)) <= LONGEST_LINE + 32 * 1024


def test_no_crowd_is_listened_to(tmp_path: Path, connected: Connected) -> None:
    path = tmp_path / "gw" / "log.sock"

    async def story() -> None:
        taken = Taken()
        async with listening(path, taken):
            await connected(path)
            kept = [await connected(path) for _ in range(MOST_CONNECTIONS - 1)]
            one_more = await connected(path)
            one_more.settimeout(DEADLINE_S)
            assert await asyncio.to_thread(one_more.recv, 1) == b""
            kept[0].send(b"one\n")
            await taken.until(1)

    asyncio.run(story())
