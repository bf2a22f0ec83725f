"""Somebody sets the machine's clock: an hour ahead, an hour back. What the keeper waits for is measured otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from daybreak.keeper.alerting.conditions import LOST_FOR_S, Losses
from daybreak.keeper.runner import Operation, Runner
from daybreak.testing.clock import run
from tests.unit.keeper.world import FakeClient, World

pytestmark = pytest.mark.usefixtures("threads_take_no_time")
HOUR_S = 3600.0
STEPS = pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S], ids=["ahead", "back"])
Set = Callable[[float], None]


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets the clock by so many seconds."""
    real = time.time

    def by(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return by


@STEPS
def test_what_crashes_after_the_step_comes_back_after_the_usual_time(tmp_path: Path, step: Set, step_s: float) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        await asyncio.sleep(100.0)
        before = await world.running()
        step(step_s)
        await asyncio.sleep(100.0)
        assert await world.running() == before
        await world.crash("web-1")
        await asyncio.sleep(5.0)
        assert set((await world.states()).values()) == {"ready"}
        assert (await world.running())["web-1"] != before["web-1"]
        await world.ask("down")
        assert not await world.running()

    run(story())


@STEPS
def test_how_long_another_command_runs_is_told_by_no_clock_that_can_be_set(step: Set, step_s: float) -> None:
    async def story() -> None:
        runner, client = Runner(), FakeClient()

        async def second() -> None:
            async with runner.turn(Operation("restart", client)):
                pass

        async with runner.turn(Operation("apply")):
            step(step_s)
            waiting = asyncio.create_task(second())
            await asyncio.sleep(1.0)
        await waiting
        assert client.notes == ["waiting for another command, running for 0 s"]

    run(story())


def test_what_an_earlier_keeper_has_told_is_over_in_time_also_where_the_clock_was_set_back() -> None:
    losses = Losses()
    losses.remember("3 of 5 requests failed", now=100.0, passed_s=-HOUR_S)
    assert losses.wrong(100.0 + LOST_FOR_S - 1)
    assert not losses.wrong(100.0 + LOST_FOR_S)
