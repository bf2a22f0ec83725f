"""The keeper is killed while other code is deployed, on a fake backend: the next one knows which code was meant."""

from __future__ import annotations

import asyncio

import pytest

from daybreak.backends.fake import Script
from daybreak.keeper.runner import Operation
from daybreak.testing.clock import run
from tests.unit.keeper.recovery.test_killed import LATER_S, killed
from tests.unit.keeper.versions.test_rollback import FAILS, WORKS, Served, built
from tests.unit.keeper.versions.test_rollback import world as world

pytestmark = pytest.mark.usefixtures("threads_take_no_time", "killed_tasks_are_gone")


async def cut_off(world: Served, operation: Operation, script: Script) -> None:
    """Kill the keeper while Serve is being told, which comes to `script` when it is told again."""
    starts = world.fake.log.count("start serve")
    while world.fake.log.count("start serve") == starts:
        await asyncio.sleep(0.1)
    world.backends.reached.set()
    world.built = staticmethod(built)  # type: ignore[assignment]
    await killed(world, operation)
    world.fake.scripts["serve"] = script
    await asyncio.sleep(LATER_S)


def test_a_rollback_is_finished_as_one(world: Served) -> None:
    async def story() -> None:
        await world.up()
        world.write("2")
        await world.restart()
        world.fake.scripts["serve"] = Script()
        await cut_off(world, world.begin("rollback", world.client, version=1), WORKS)
        assert (world.imported, await world.version()) == ("1", (1, True))

    run(story())


def test_a_restart_of_good_code_becomes_a_version(world: Served) -> None:
    async def story() -> None:
        await world.up()
        world.write("2")
        world.fake.scripts["serve"] = Script()
        await cut_off(world, world.begin("apply", world.client, restart=True, keep_workers=True), WORKS)
        assert (world.imported, await world.version()) == ("2", (2, False))

    run(story())


def test_a_restart_of_bad_code_goes_back_to_the_version_before(world: Served) -> None:
    async def story() -> None:
        await world.up()
        world.write("2")
        world.fake.scripts["serve"] = Script()
        await cut_off(world, world.begin("apply", world.client, restart=True, keep_workers=True), FAILS)
        assert world.imported == "1"
        assert await world.numbers() == [1], "what has failed is no version"

    run(story())
