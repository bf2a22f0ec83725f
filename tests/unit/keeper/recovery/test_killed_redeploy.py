"""The keeper is killed in the middle of a redeployment, on a fake backend: the next one finishes it as gently."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daybreak.backends.fake import Script
from daybreak.testing.clock import run
from tests.unit.keeper.planning.test_restart_facts import FAILS, WORKS, Served, built
from tests.unit.keeper.planning.test_restart_facts import chosen as chosen
from tests.unit.keeper.recovery.test_killed import LATER_S, killed

pytestmark = pytest.mark.usefixtures("threads_take_no_time", "killed_tasks_are_gone")


class Again(Served):
    built = staticmethod(built)  # type: ignore[assignment]


async def cut_off(world: Again, script: Script) -> dict[str, str]:
    """Kill the keeper while the new deployment is under way; returns what ran before."""
    before = await world.running()
    world.fake.scripts["serve"] = Script()
    restart = world.begin("apply", restart=True, keep_workers=True)
    while world.fake.log.count("start serve") < 2:
        await asyncio.sleep(0.1)
    world.backends.reached.set()
    await killed(world, restart)
    world.fake.scripts["serve"] = script
    world.fake.log.clear()
    return before


def test_the_applications_serve_on_until_it_is_finished(tmp_path: Path) -> None:
    async def story() -> None:
        world = Again(tmp_path)
        await world.up().answer()
        before = await cut_off(world, WORKS)
        await asyncio.sleep(LATER_S)
        after, log = await world.running(), world.fake.log
        assert after["head"] == before["head"]
        assert not {after["serve"], after["web"]} & set(before.values())
        assert set((await world.states()).values()) <= {"ready", "completed"}
        assert log.index("start serve") < log.index("stop web")
        assert len(await world.fake.observe()) == len(after), "nothing of before is left"

    run(story())


def test_what_fails_then_leaves_what_ran(tmp_path: Path) -> None:
    async def story() -> None:
        world = Again(tmp_path)
        await world.up().answer()
        before = await cut_off(world, FAILS)
        await asyncio.sleep(LATER_S)
        world.fake.scripts["serve"] = WORKS
        await asyncio.sleep(LATER_S)
        after = await world.running()
        assert (after["head"], after["web"]) == (before["head"], before["web"])

    run(story())
