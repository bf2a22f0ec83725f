"""A day and a night of supervision, and hundreds of crashes: the keeper holds no more than at the begin."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from daybreak.backends.fake import FakeBackend
from daybreak.testing.clock import run
from tests.unit.keeper.world import World

pytestmark = pytest.mark.usefixtures("threads_take_no_time")
HOUR_S = 3600.0
CRASHES = 500
# By then everything that is kept up to a number of entries has that number.
WARM_UP = 120
# What a moment may have more than another one: a task that has just begun, an answer that is kept.
SCATTER = 40
# Values, and the backend of the tests, which writes down whatever it is asked.
ATOMS = (FakeBackend, str, bytes, int, float, complex, type(None), Enum, Path, type, FunctionType, ModuleType)


def held(root: object) -> dict[str, int]:
    """How many entries the collections have that can be reached from an object, by where they were found: the class
    and attribute."""
    counts: dict[str, int] = {}
    seen: set[int] = set()
    todo: list[tuple[str, object]] = [(type(root).__name__, root)]
    while todo:
        where, one = todo.pop()
        if id(one) in seen or isinstance(one, ATOMS):
            continue
        seen.add(id(one))
        if isinstance(one, dict | list | set | frozenset | deque | tuple):
            counts[where] = counts.get(where, 0) + len(one)
        todo += _within(where, one)
    return counts


def _within(where: str, one: object) -> Iterator[tuple[str, object]]:
    if isinstance(one, dict):
        yield from ((where, value) for pair in one.items() for value in pair)
    elif isinstance(one, list | set | frozenset | deque | tuple):
        yield from ((where, value) for value in one)
    elif type(one).__module__.startswith(("daybreak.", "tests.")):
        yield from ((f"{type(one).__name__}.{name}", value) for name, value in _attributes(one))
    elif (owner := getattr(one, "__self__", None)) is not None:  # of a method
        yield where, owner


def _attributes(one: object) -> Iterable[tuple[str, Any]]:
    slots = (name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ()))
    return {**{name: getattr(one, name, None) for name in slots}, **getattr(one, "__dict__", {})}.items()


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, tuple[int, int]]:
    return {
        where: (before.get(where, 0), count) for where, count in after.items() if count > before.get(where, 0) + SCATTER
    }


class Kept:
    """What the keeper's process has at one moment."""

    def __init__(self, world: World) -> None:
        gc.collect()
        self.entries = held(world.keeper)
        self.tasks = len(asyncio.all_tasks())
        self.files = len(os.listdir("/proc/self/fd"))
        self.threads = threading.active_count()

    def no_more_than(self, before: Kept) -> None:
        assert {"Restarts._counts", "WatchTasks._tasks"} & before.entries.keys(), "the way into the keeper is lost"
        assert grown(before.entries, self.entries) == {}
        assert self.tasks <= before.tasks + 2
        assert self.files <= before.files + 2
        assert self.threads <= before.threads + 2


async def crashes(world: World, count: int) -> None:
    """Each time one of the two, which then runs for long enough that the back-off begins anew."""
    for number in range(count):
        await world.crash("web-1" if number % 3 else "db")
        await asyncio.sleep(70.0)


def test_hundreds_of_crashes_leave_nothing_behind_in_the_keeper(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        await crashes(world, WARM_UP)
        before = Kept(world)
        first = await world.running()
        await crashes(world, CRASHES - WARM_UP)
        Kept(world).no_more_than(before)
        assert set((await world.states()).values()) == {"ready"}
        assert first.keys() == (await world.running()).keys()
        assert len(list(world.paths.records.glob("*"))) <= len(first)

    run(story())


def test_a_day_without_an_event_leaves_nothing_behind_in_the_keeper(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        await asyncio.sleep(HOUR_S)
        before, first = Kept(world), await world.running()
        for _ in range(23):
            await asyncio.sleep(HOUR_S)
        Kept(world).no_more_than(before)
        assert await world.running() == first

    run(story())
