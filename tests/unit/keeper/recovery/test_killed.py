"""The keeper is killed in the middle of an operation, on a fake backend: the next one finishes what was begun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import StepFailed
from daybreak.keeper import daemon
from daybreak.keeper.control.client import anything_recorded
from daybreak.keeper.runner import Operation
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.testing.clock import run
from tests.unit.keeper.world import NEVER, World

pytestmark = pytest.mark.usefixtures("threads_take_no_time", "killed_tasks_are_gone")
LATER_S = daemon.FIRST_COMMAND_S + 30


async def killed(world: World, operation: Operation) -> None:
    """It ends here and now: what was asked for goes no further, and nobody tidies up."""
    await world.backends.reached.wait()
    world.keeper.close()
    world.backends.killed = True
    assert not operation.cancelled
    world.again()
    await world.keeper.adopt()


def stored(world: World) -> WantedState:
    found = WantedState.load(world.paths.wanted)
    assert found
    return found


BEGIN: dict[str, Callable[[World], Operation]] = {
    "up": lambda world: world.up(spec={"workers": 3}),
    "changed": lambda world: world.up(spec={"workers": 2, "env": "new"}),
    "scale": lambda world: world.begin("apply", workers=3, only_running=True),
    "restart": lambda world: world.begin("apply", restart=True, keep_workers=True, pid=7),
    "one service": lambda world: world.begin("replace", service="web-2"),
}
HALTS = {"up": "up of web-3", "changed": "up of web-1", "scale": "up of web-3", "restart": "up of web-1"}


@pytest.mark.parametrize("what", BEGIN)
def test_the_next_keeper_finishes_it(tmp_path: Path, what: str) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 2}).answer()
        before = await world.running()
        world.backends.halts_at = HALTS.get(what, "up of web-2")
        await killed(world, BEGIN[what](world))
        assert anything_recorded(world.paths), "any command starts a keeper"
        assert not await world.keeper.idle_exit.idle()
        await asyncio.sleep(LATER_S)
        assert not anything_recorded(world.paths), "a fake backend has no records"
        after, states = await world.running(), await world.states()
        assert set(states.values()) == {"ready"}
        assert set(after) == {"db", "web-1", "web-2", *(["web-3"] if what in ("up", "scale") else [])}
        changed = {name for name in before if after[name] != before[name]}
        assert changed == {"changed": {"web-1", "web-2"}, "restart": {"web-1", "web-2"}, "one service": {"web-2"}}.get(
            what, set()
        )
        assert stored(world).settled
        # And it is looked after again.
        await world.crash("web-1")
        await asyncio.sleep(LATER_S)
        assert set((await world.states()).values()) == {"ready"}

    run(story())


def test_a_restart_whose_stopping_was_cut_off_replaces_the_rest_as_well(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 2}).answer()
        before = await world.running()
        world.fake.scripts["web-2"] = Script(stops_after_s=1e6)
        cut_off = BEGIN["restart"](world)
        while "stop web-1" not in world.fake.log:
            await asyncio.sleep(0.1)
        world.backends.reached.set()
        await killed(world, cut_off)
        world.fake.scripts["web-2"] = Script()
        await asyncio.sleep(LATER_S)
        after = await world.running()
        assert {name for name in before if after[name] != before[name]} == {"web-1", "web-2"}
        assert set((await world.states()).values()) == {"ready"}

    run(story())


def test_what_cannot_be_finished_comes_back_as_it_was_before(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 1}).answer()
        world.backends.halts_at = "up of web-1"
        world.fake.scripts["web-2"] = Script(commands={"up": NEVER})
        await killed(world, world.up(spec={"workers": 2, "env": "new"}))
        with pytest.raises(StepFailed, match="web-2"):
            await world.ask("finish")
        await asyncio.sleep(LATER_S)
        assert await world.states() == {"db": "ready", "web-1": "ready"}
        assert (await world.status())["workers"] == 1

    run(story())


@pytest.mark.parametrize("comes_up", [True, False])
def test_a_first_start_is_finished_and_one_that_fails_leaves_nothing(tmp_path: Path, comes_up: bool) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.backends.halts_at = "up of web-1"
        await killed(world, world.up())
        if not comes_up:
            world.fake.scripts["web-1"] = Script(commands={"up": NEVER})
        await asyncio.sleep(LATER_S + 120)
        assert set(await world.running()) == ({"db", "web-1"} if comes_up else set())
        assert await world.keeper.idle_exit.idle() != comes_up

    run(story())


def test_what_somebody_has_interrupted_is_not_finished(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.backends.halts_at = "up of web-1"
        operation = world.up()
        await world.backends.reached.wait()
        operation.cancel()
        with pytest.raises(Exception, match="interrupted"):
            await operation.answer()
        world.keeper.close()
        world.again()
        await world.keeper.adopt()
        assert await world.keeper.idle_exit.idle()
        await asyncio.sleep(LATER_S)
        assert await world.running() == {}

    run(story())


def test_half_a_stop_is_finished(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 2}).answer()
        world.fake.scripts["db"] = Script(stops_after_s=1e6)
        cut_off = world.begin("down")
        while "stop db" not in world.fake.log:
            await asyncio.sleep(0.1)
        world.backends.reached.set()
        await killed(world, cut_off)
        world.fake.scripts["db"] = Script()
        await asyncio.sleep(LATER_S)
        assert await world.running() == {}
        assert (await world.status())["state"] == "stopped"
        assert await world.keeper.idle_exit.idle()
        assert stored(world).under_way is None

    run(story())


def test_what_is_left_behind_a_stop_is_tidied_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()

        def cut_off(*_: object) -> None:
            raise OSError("as if it were killed here")

        with monkeypatch.context() as patched:
            patched.setattr("daybreak.keeper.operations.down.clean_runtime", cut_off)
            with pytest.raises(OSError, match="killed here"):
                await world.ask("down")
        world.keeper.close()
        (world.paths.runtime / "ray").mkdir()
        world.again()
        await world.keeper.adopt()
        assert not await world.keeper.idle_exit.idle()
        await asyncio.sleep(LATER_S)
        assert not (world.paths.runtime / "ray").exists()
        assert await world.keeper.idle_exit.idle()

    run(story())


def test_whoever_asks_is_told_how_it_ends_and_for_whom_it_was_begun(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        assert (await world.ask("finish"))["finished"] is None
        await world.up(spec={"workers": 2}).answer()
        world.backends.halts_at = "up of web-1"
        await killed(world, BEGIN["restart"](world))
        done: dict[str, Any] = await world.ask("finish")
        assert done["finished"] == 7
        assert done["status"]["state"] == "ready"
        assert (await world.ask("finish"))["finished"] == 7
        before = await world.running()
        await asyncio.sleep(LATER_S)
        assert await world.running() == before

    run(story())


def test_a_command_that_comes_first_is_what_is_wanted(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 2}).answer()
        world.backends.halts_at = "up of web-1"
        await killed(world, BEGIN["restart"](world))
        await world.ask("down")
        await asyncio.sleep(LATER_S)
        assert await world.running() == {}

    run(story())


def test_a_command_that_was_done_is_known_and_so_is_one_whose_keepers_are_killed_in_turn(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 2}).answer()
        await world.ask("apply", restart=True, keep_workers=True, pid=6)
        world.keeper.close()
        world.again()
        await world.keeper.adopt()
        assert (await world.ask("finish"))["finished"] == 6, "killed before it could tell"
        world.backends.halts_at = "up of web-1"
        await killed(world, BEGIN["restart"](world))
        world.backends.halts_at = "up of web-2"
        await killed(world, world.begin("finish"))
        await asyncio.sleep(LATER_S)
        assert (await world.ask("finish"))["finished"] == 7
        assert set((await world.states()).values()) == {"ready"}

    run(story())
