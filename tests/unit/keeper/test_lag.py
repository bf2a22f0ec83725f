"""What takes long does not keep the keeper from answering: the loop's lag is measured beside what would block it."""

from __future__ import annotations

import asyncio
import gc
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
from tests.helpers import until

BLOCK_S = 2.0
MANY = 5000


class Lag:
    """The longest time, by this clock, that the loop did not come to a task that wants to run all the time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.most_s = 0.0
        self.turns = 0
        self._clock = clock

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        async def tick() -> None:
            before = self._clock()
            while True:
                await asyncio.sleep(0.001)
                now = self._clock()
                self.turns += 1
                self.most_s, before = max(self.most_s, now - before), now

        ticking = asyncio.ensure_future(tick())
        await asyncio.sleep(0.01)
        try:
            yield
        finally:
            await asyncio.sleep(0.01)
            ticking.cancel()


def lag_of(work: Callable[[], Awaitable[Any]], lag: Lag | None = None) -> float:
    lag = lag or Lag()

    async def story() -> None:
        async with lag.measured():
            await work()

    # What thousands of other tests have left would be looked through in the midst of it.
    gc.disable()
    try:
        asyncio.run(story())
    finally:
        gc.enable()
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
    """What the loop's own thread does meanwhile is measured: how long the others keep it from its turn is the machine's
    matter, as long as it has one."""
    own = procfs.read(os.getpid())
    assert own
    lag = Lag(time.thread_time)
    beside: list[int] = []

    def many() -> Iterator[procfs.Process]:
        for number in range(MANY):
            if beside and number == MANY // 2:
                beside.append(lag.turns)
                until(lambda: lag.turns > beside[-1], what="the loop has a turn during a scan")
            row = procfs.read(own.pid)
            assert row
            yield row._replace(pid=10_000_000 + number)

    read = procfs.environment
    monkeypatch.setattr(procfs, "processes", many)
    monkeypatch.setattr(procfs, "environment", lambda pid, names: read(own.pid, names))
    began = time.thread_time()
    members.Scan()
    scan_s = time.thread_time() - began
    backend = ProcessBackend(paths)

    async def work() -> None:
        beside.append(lag.turns)
        service = Service("api", Tier.APP, ("sleep", "60"), "/")
        handle = await backend.start(service, instance="api#1", generation=1, bound={})
        await backend.observe()
        monkeypatch.undo()
        await backend.stop(handle)

    assert lag_of(work, lag) < scan_s / 2
    assert len(beside) > 1, "there was a scan"
