"""A generation that starts beside another one, on a fake backend: interrupted, killed, or left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import Interrupted
from daybreak.keeper.generations.handover import Replacement
from daybreak.keeper.recovery.comparison import INTERVAL_S
from daybreak.keeper.recovery.recovery import COMES_BACK
from daybreak.services.slots import Slot
from daybreak.testing.clock import run
from daybreak.timeline.event import Event, Kind
from tests.unit.keeper.generations.test_replacing import NODES, TwoGenerations
from tests.unit.keeper.generations.test_replacing import chosen as chosen

pytestmark = pytest.mark.usefixtures("threads_take_no_time")


async def never(*_: object) -> None:
    await asyncio.Event().wait()


async def interrupted(world: TwoGenerations, when: Callable[[], object]) -> str:
    """Restart, and press Ctrl-C as soon as this is so; returns what is told."""
    operation = world.begin("apply", restart=True, keep_workers=True)
    while not when():
        await asyncio.sleep(0.1)
    world.backends.halts_at = ""
    operation.cancel()
    operation.cancel()  # as impatient people do
    with pytest.raises(Interrupted) as told:
        await operation.answer()
    return f"{told.value}; {told.value.aftermath}"


async def comes_back(world: TwoGenerations) -> None:
    while (await world.states())["web"] != "ready":
        await asyncio.sleep(0.1)


def test_an_interrupt_before_the_switch_takes_the_new_generation_down(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        before, rows = await world.running(), await world.states()
        apply: Any = world.keeper.parts.operations["apply"]
        apply.replacing.before_switch.append(never)
        assert "taken down again" in await interrupted(world, lambda: world.fake.log.count("start serve") == 2)
        assert await world.running() == before
        assert await world.states() == rows
        assert [slot for slot, _ in world.turns] == [Slot.A]

    run(story())


def test_an_interrupt_behind_the_switch_turns_back_and_the_users_service_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        before = await world.running()
        with monkeypatch.context() as patched:
            patched.setattr(Replacement, "drain", never)
            assert COMES_BACK in await interrupted(world, lambda: world.fake.log.count("start web") == 2)
        await comes_back(world)
        after = await world.running()
        assert {name: after[name] for name in NODES} == {name: before[name] for name in NODES}
        assert await world.slots() == {"head": [Slot.A], "serve": [Slot.A], "web": [Slot.A]}
        assert (await world.states())["web"] == "ready"
        assert [slot for slot, _ in world.turns] == [Slot.B, Slot.A, Slot.A]

    run(story())


def test_an_interrupt_just_before_the_new_state_is_stored_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        generation = (await world.status())["generation"]

        async def then_halt(_: object) -> None:
            world.backends.halts_at = "observing"

        with monkeypatch.context() as patched:
            patched.setattr(Replacement, "drain", then_halt)
            await interrupted(world, world.backends.reached.is_set)
        await comes_back(world)
        assert await world.slots() == {"head": [Slot.A], "serve": [Slot.A], "web": [Slot.A]}
        assert (await world.status())["generation"] == generation
        assert (await world.states())["head"] == "ready"
        assert world.turns[-1] == (Slot.A, False)

    run(story())


def test_an_interrupt_after_the_new_state_was_stored_changes_nothing_any_more(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        world.fake.scripts["head"] = Script(stops_after_s=5.0)
        operation = world.begin("apply", restart=True, keep_workers=True)
        while "stop head" not in world.fake.log:
            await asyncio.sleep(0.1)
        operation.cancel()
        await operation.answer()
        assert await world.slots() == {"head": [Slot.B], "serve": [Slot.B], "web": [Slot.B]}
        assert set((await world.states()).values()) == {"ready"}
        assert world.turns == [(Slot.B, True), (Slot.B, False)]

    run(story())


def test_a_keeper_that_comes_after_a_killed_one_ends_the_generation_that_never_served(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        before = await world.running()
        world.fake.scripts["serve"] = Script()
        cut_off = world.begin("apply", restart=True, keep_workers=True)
        while (await world.slots()).get("serve") != [Slot.A, Slot.B]:
            await asyncio.sleep(0.1)
        world.keeper.close()
        world.again()
        await world.keeper.adopt()
        while any(len(slots) > 1 for slots in (await world.slots()).values()):
            await asyncio.sleep(0.1)
        assert await world.running() == before
        assert (await world.states())["head"] == (await world.states())["serve"] == "ready"
        assert not cut_off.cancelled

    run(story())


def test_a_keeper_that_comes_after_the_switch_was_kept_ends_the_old_generation(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        world.fake.scripts["head"] = Script(stops_after_s=1e6)
        world.begin("apply", restart=True, keep_workers=True)
        while "stop head" not in world.fake.log:
            await asyncio.sleep(0.1)
        world.keeper.close()
        world.fake.scripts["head"] = Script()
        world.again()
        await world.keeper.adopt()
        while any(len(slots) > 1 for slots in (await world.slots()).values()):
            await asyncio.sleep(0.1)
        assert await world.slots() == {"head": [Slot.B], "serve": [Slot.B], "web": [Slot.B]}
        assert (await world.states())["head"] == (await world.states())["serve"] == "ready"

    run(story())


def test_what_did_not_end_of_the_old_generation_is_ended_by_a_later_comparison(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        world.fake.scripts["head"] = Script(stuck=True)
        told: list[Event] = []
        world.keeper.parts.record._listeners.append(told.append)
        await world.restart()
        assert (await world.slots())["head"] == [Slot.A, Slot.B]
        comparison = world.keeper.comparison()
        await comparison.once()  # it still hangs
        await asyncio.sleep(1.0)
        world.fake.scripts["head"] = Script()
        while (await world.slots())["head"] != [Slot.B]:
            await comparison.once()
            await asyncio.sleep(INTERVAL_S)
        assert set((await world.states()).values()) == {"ready"}
        notes = [event.data["text"] for event in told if event.kind is Kind.NOTE]
        assert notes.count("what is left of another generation ends") == 1

    run(story())
