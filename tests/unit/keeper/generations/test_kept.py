"""A generation that is kept for a way back, on a fake backend: frozen, returned to, and ended in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import StepFailed, UsageError
from daybreak.keeper.generations import kept as keeping
from daybreak.keeper.generations import returning
from daybreak.keeper.generations.kept import AGAIN_S, Keeping
from daybreak.keeper.versions.keeping import Versions
from daybreak.keeper.wanted.wanted_state import Kept, WantedState
from daybreak.machine.machine import Machine, machine
from daybreak.services.slots import Slot
from daybreak.testing.clock import run
from tests.unit.keeper.generations.test_replacing import NODES, TwoGenerations
from tests.unit.keeper.generations.test_replacing import chosen as chosen
from tests.unit.keeper.world import NEVER, FakeClient

pytestmark = pytest.mark.usefixtures("threads_take_no_time")
KEEP_S = 300.0


@pytest.fixture(autouse=True)
def versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each deployment is version 1, and can be returned to."""

    async def returned(versions: Versions, kept: Kept) -> WantedState:
        return kept.state.with_changes(rolled_back="as it was", settled=False)

    async def nothing(*_: object) -> None: ...

    async def no_memory(keeping: Keeping, *args: Any) -> Kept:
        return replace(await described(keeping, *args), memory_bytes=7, ports=(4711,))

    described = Keeping.described
    monkeypatch.setattr(Versions, "returned", returned)
    monkeypatch.setattr(Keeping, "described", no_memory)
    monkeypatch.setattr(keeping, "of_instances", lambda *_: 0)
    monkeypatch.setattr("daybreak.keeper.generations.handover.cut_off", nothing)
    monkeypatch.setattr(returning, "warm_up", nothing)
    monkeypatch.setattr("daybreak.keeper.operations.apply.vet", nothing)
    roomy = replace(machine(), memory_total_bytes=100, memory_available_bytes=50)
    monkeypatch.setattr(keeping, "machine", lambda: roomy)


class Keeper(TwoGenerations):
    """Restarts keep the generation before."""

    async def begun(self) -> dict[str, str]:
        """The instances of before, which are kept."""
        await self.up().answer()
        self.keeper.parts.followers.desired.change(version=1)
        before = await self.running()
        await self.restart(way="replace", keep_old=KEEP_S)
        return before

    @property
    def kept(self) -> Kept | None:
        state = self.keeper.parts.followers.desired.state
        assert state
        assert state == WantedState.load(self.paths.wanted), "what a later keeper finds"
        return state.kept

    async def frozen(self) -> set[str]:
        return {handle.service for handle in await self.fake.observe() if handle.instance in self.fake.frozen}

    async def ends(self, within_s: float = 2 * KEEP_S) -> None:
        async with asyncio.timeout(within_s):
            while self.kept or any(Slot.A in slots for slots in (await self.slots()).values()):
                await asleep()


async def asleep() -> None:
    await asyncio.sleep(0.5)


def story(told: Callable[[Keeper], Coroutine[Any, Any, None]], folder: Path) -> None:
    async def whole() -> None:
        await told(Keeper(folder))

    run(whole())


def test_the_old_generation_is_frozen_behind_the_switch_and_nobody_touches_it(tmp_path: Path) -> None:
    async def told(world: Keeper) -> None:
        before = await world.begun()
        kept = world.kept
        assert kept
        assert kept.until == pytest.approx(time.time() + KEEP_S, abs=60)
        assert await world.frozen() == NODES
        assert await world.slots() == {"head": [Slot.A, Slot.B], "serve": [Slot.A, Slot.B], "web": [Slot.B]}
        status = await world.status()
        assert status["kept"] == {"version": 1, "until": kept.until, "memory_bytes": 7}
        assert (await world.states())["head"] == "ready"
        # A look for leftovers, a crash, and an `up` that changes nothing, leave it alone.
        await world.keeper.comparison().once()
        await world.crash("web")
        while (await world.states())["web"] != "ready":
            await asleep()
        await world.up().answer()
        assert world.kept is kept
        assert before["head"] in world.fake.frozen
        told = (await world.ask("plan", restart=True))["notes"]
        assert any("version 1 is kept until" in line and "this would end it" in line for line in told)
        assert not any("end it" in line for line in (await world.ask("plan"))["notes"])

    story(told, tmp_path)


def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    async def told(world: Keeper) -> None:
        await world.begun()
        await world.ends()
        assert await world.slots() == {"head": [Slot.B], "serve": [Slot.B], "web": [Slot.B]}
        assert not world.fake.frozen
        assert set((await world.states()).values()) == {"ready"}

    story(told, tmp_path)


def test_a_keeper_that_comes_after_a_killed_one_freezes_it_and_ends_it_in_time(tmp_path: Path) -> None:
    async def told(world: Keeper) -> None:
        before = await world.begun()
        world.keeper.close()
        world.fake.frozen.clear()  # the killed one had only stored what it was about to do
        world.again()
        await world.keeper.adopt()
        for _ in range(4):
            await asleep()
        assert before["head"] in world.fake.frozen
        assert world.kept
        await world.ends()
        assert set(await world.slots()) == {"head", "serve", "web"}

    story(told, tmp_path)


def test_a_keeper_killed_when_it_had_just_given_it_up_leaves_a_leftover(tmp_path: Path) -> None:
    async def told(world: Keeper) -> None:
        await world.begun()
        world.keeper.parts.followers.desired.change(kept=None)
        world.keeper.close()
        world.again()
        await world.keeper.adopt()
        await world.ends()

    story(told, tmp_path)


def test_after_a_restart_of_the_machine_it_is_simply_gone(tmp_path: Path) -> None:
    async def told(world: Keeper) -> None:
        await world.begun()
        for handle in await world.fake.observe():
            if handle.slot is Slot.A:
                await world.fake.stop(handle)
        world.keeper.close()
        world.again()
        await world.keeper.adopt()
        await world.ends()

    story(told, tmp_path)


@pytest.mark.parametrize("fails", ["memory", "a process"])
def test_it_ends_before_its_time_where_memory_is_short_or_a_part_of_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    async def told(world: Keeper) -> None:
        await world.begun()
        if fails == "memory":
            short: Machine = replace(machine(), memory_total_bytes=100, memory_available_bytes=6)
            monkeypatch.setattr(keeping, "machine", lambda: short)
        else:
            head = next(one for one in await world.fake.observe() if one.service == "head" and one.slot is Slot.A)
            world.fake.end(head, 1)
        await world.ends(within_s=2 * AGAIN_S)
        assert set((await world.states()).values()) == {"ready"}

    story(told, tmp_path)


async def change_spec(world: Keeper) -> None:
    await world.up(spec={"env": "other"}).answer()


async def restart(world: Keeper) -> None:
    await world.restart()


async def restart_service(world: Keeper) -> None:
    await world.ask("replace", service="web")


@pytest.mark.parametrize("change", [change_spec, restart, restart_service])
def test_whatever_changes_something_ends_it_first(tmp_path: Path, change: Callable[[Keeper], Awaitable[None]]) -> None:
    async def told(world: Keeper) -> None:
        before = await world.begun()
        world.fake.log.clear()
        await change(world)
        log = world.fake.log
        assert log.index("stop head") < min(index for index, line in enumerate(log) if line.startswith("start"))
        assert not {before[name] for name in NODES} & set((await world.running()).values())
        assert world.kept is None
        assert all(len(slots) == 1 for slots in (await world.slots()).values())

    story(told, tmp_path)


def test_down_ends_it_as_well(tmp_path: Path) -> None:
    async def told(world: Keeper) -> None:
        await world.begun()
        await world.ask("down")
        assert not await world.running()
        assert not world.fake.frozen
        assert world.kept is None

    story(told, tmp_path)


def test_rollback_wakes_it_and_the_other_one_ends(tmp_path: Path) -> None:
    async def told(world: Keeper) -> None:
        before = await world.begun()
        world.fake.log.clear()
        client = FakeClient()
        await world.begin("rollback", client).answer()
        log = world.fake.log
        assert log.index("thaw head") < log.index("stop web") < log.index("start web") < log.index("stop head")
        assert not {"start head", "start serve"} & set(log)
        assert any("version 1 was kept, and answers after" in note for note in client.notes)
        after = await world.running()
        assert {name: after[name] for name in NODES} == {name: before[name] for name in NODES}
        assert await world.slots() == {"head": [Slot.A], "serve": [Slot.A], "web": [Slot.A]}
        assert world.turns[-2:] == [(Slot.A, True), (Slot.A, False)]
        rows = {row["name"]: row for row in (await world.status())["services"]}
        assert rows["head"]["instance"] == before["head"]
        assert {row["state"] for row in rows.values()} == {"ready"}
        state = world.keeper.parts.followers.desired.state
        assert state
        assert (state.version, state.rolled_back, state.settled, state.slot) == (1, "as it was", True, Slot.A)
        assert world.kept is None
        assert not world.fake.frozen
        # It is looked after as ever.
        await world.crash("head")
        while (await world.states())["head"] != "ready" or (await world.running()).get("head") == before["head"]:
            await asleep()

    story(told, tmp_path)


def test_one_that_does_not_answer_is_given_up_and_its_version_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(world: Keeper) -> None:
        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        await world.begun()
        monkeypatch.setattr(returning, "warm_up", never)
        client = FakeClient()
        with pytest.raises(UsageError, match="no version 1"):  # this world keeps none
            await world.begin("rollback", client).answer()
        assert any("it cannot go on (no answer within 10 s)" in note for note in client.notes)
        await world.ends()
        assert set((await world.states()).values()) == {"ready"}

    story(told, tmp_path)


def test_where_a_service_of_the_users_does_not_come_back_with_it_it_is_kept_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(world: Keeper) -> None:
        before = await world.begun()
        world.fake.scripts["web"] = Script(commands={"up": NEVER})

        async def mend() -> None:
            while (Slot.B, True) not in world.turns[2:]:
                await asleep()
            world.fake.scripts["web"] = Script()

        mending = asyncio.create_task(mend())
        with pytest.raises(StepFailed, match="web"):
            await world.ask("rollback")
        await mending
        assert await world.frozen() == NODES
        assert before["head"] in world.fake.frozen
        assert world.kept
        while (await world.states())["web"] != "ready":
            await asleep()
        assert (await world.slots())["web"] == [Slot.B]

    story(told, tmp_path)


def test_without_a_version_of_what_serves_nothing_is_kept(tmp_path: Path) -> None:
    async def told(world: Keeper) -> None:
        await world.up().answer()
        before = await world.running()
        world.keeper.parts.followers.desired.change(version=None)
        with pytest.raises(UsageError, match="no version is known"):
            await world.restart(way="replace", keep_old=KEEP_S)
        assert await world.running() == before

    story(told, tmp_path)
