"""What takes long does not keep the keeper from answering: the loop's lag is measured beside what would block it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.process import members, procfs
from daybreak.backends.process.backend import ProcessBackend
from daybreak.errors import DaybreakError
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.wanted.desired import Desired
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service, Tier
from daybreak.spec.model import Spec

BLOCK_S = 2.0
MANY = 5000


class Lag:
    """The longest time that the loop did not come to a task that wants to run all the time."""

    def __init__(self) -> None:
        self.most_s = 0.0

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        async def tick() -> None:
            before = time.monotonic()
            while True:
                await asyncio.sleep(0.001)
                now = time.monotonic()
                self.most_s, before = max(self.most_s, now - before), now

        ticking = asyncio.ensure_future(tick())
        await asyncio.sleep(0.01)
        try:
            yield
        finally:
            await asyncio.sleep(0.01)
            ticking.cancel()


def lag_of(work: Callable[[], Awaitable[Any]]) -> float:
    lag = Lag()

    async def story() -> None:
        async with lag.measured():
            await work()

    asyncio.run(story())
    return lag.most_s


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    made = ClusterPaths("a", tmp_path / "root", tmp_path / "run")
    made.ensure()
    return made


def test_a_slow_survey(paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any, **__: Any) -> None:
        time.sleep(BLOCK_S)
        raise DaybreakError("that is all")

    backends = Backends(paths, None)
    monkeypatch.setattr(backends.engine, "survey", slow)
    desired = Desired(paths, None, backends, print)

    async def work() -> None:
        with pytest.raises(DaybreakError, match="that is all"):
            await desired.target(WantedState(Spec(name="a"), base="/"))

    assert lag_of(work) < BLOCK_S / 2


def test_thousands_of_processes(paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    own = procfs.read(os.getpid())
    assert own

    def many() -> Iterator[procfs.Process]:
        for number in range(MANY):
            row = procfs.read(own.pid)
            assert row
            yield row._replace(pid=10_000_000 + number)

    read = procfs.environment
    monkeypatch.setattr(procfs, "processes", many)
    monkeypatch.setattr(procfs, "environment", lambda pid, names: read(own.pid, names))
    began = time.monotonic()
    members.Scan()
    scan_s = time.monotonic() - began
    backend = ProcessBackend(paths)

    async def work() -> None:
        service = Service("api", Tier.APP, ("sleep", "60"), "/")
        handle = await backend.start(service, instance="api#1", generation=1, bound={})
        await backend.observe()
        monkeypatch.undo()
        await backend.stop(handle)

    # Between what a scan takes as a whole and what the interpreter needs to hand over: far nearer to that.
    assert lag_of(work) < max(scan_s / 2, 0.25)
