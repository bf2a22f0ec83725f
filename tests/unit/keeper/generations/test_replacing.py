"""A generation that starts beside another one, on a fake backend: what serves at every moment, and what is left."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import DaybreakError, StepFailed, UsageError
from daybreak.keeper.gateway.request_line import parse
from daybreak.keeper.gateway.steering import Steering
from daybreak.keeper.generations.rehearsal import TRIES
from daybreak.keeper.planning.restart_facts import Ways
from daybreak.run.rehearsal import Told
from daybreak.run.restart_way import Choice, Way
from daybreak.services.build import Cluster
from daybreak.services.service import Service, Tier
from daybreak.services.site import Site
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.keeper.gateway.lines import line
from tests.unit.keeper.planning.test_restart_facts import FAILS, Served
from tests.unit.keeper.planning.test_restart_facts import built as in_first_slot
from tests.unit.keeper.world import NEVER, spec

pytestmark = pytest.mark.usefixtures("threads_take_no_time")

REPLACE = Choice(Way.REPLACE, "so")
NODES = {"head", "serve"}


def built(spec: Spec, site: Site) -> tuple[Service, ...]:
    services = in_first_slot(spec, site)
    return tuple(replace(one, slot=site.slot) if one.tier is Tier.APP else one for one in services)


class TwoGenerations(Served):
    """A world whose restarts replace the generation; `turns` are the slots that requests went to."""

    built = staticmethod(built)

    def __init__(self, folder: Path) -> None:
        self.turns: list[tuple[Slot, bool]] = []
        super().__init__(folder)
        self.keeper.parts.followers.desired._build = built

    def again(self) -> None:
        super().again()
        self.keeper.parts.followers.desired._build = built

        async def turn_to(cluster: Cluster, *, leaves: bool) -> None:
            self.turns.append((cluster.site.slot, leaves))

        self.keeper.parts.followers.gateway.turn_to = turn_to  # type: ignore[method-assign]

    def _survey(self, *_: Any, slot: Slot = Slot.A, **__: Any) -> Site:
        return replace(super()._survey(), slot=slot)

    async def slots(self) -> dict[str, list[Slot]]:
        found: dict[str, list[Slot]] = {}
        for handle in await self.fake.observe():
            found.setdefault(handle.service, []).append(handle.slot)
        return found


@pytest.fixture(autouse=True)
def chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def choose(*_: object, **__: object) -> Choice:
        return REPLACE

    async def nothing(*_: object, **__: object) -> None: ...

    monkeypatch.setattr(Ways, "choose", choose)
    monkeypatch.setattr(Ways, "of_change", nothing)
    monkeypatch.setattr(Ways, "changed_code", lambda *_: "")
    monkeypatch.setattr("daybreak.keeper.generations.warm_up", nothing)
    monkeypatch.setattr(Steering, "before", nothing)


def test_the_new_generation_serves_before_anything_of_the_old_one_ends(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        before, generation = await world.running(), (await world.status())["generation"]
        world.fake.log.clear()
        await world.restart()
        log = world.fake.log
        assert log.index("start serve") < log.index("stop web") < log.index("start web") < log.index("stop head")
        assert await world.slots() == {"head": [Slot.B], "serve": [Slot.B], "web": [Slot.B]}
        assert not set((await world.running()).values()) & set(before.values())
        assert world.turns == [(Slot.B, True), (Slot.B, False)]
        assert (await world.states())["head"] == "ready"
        assert (await world.status())["generation"] == generation + 1
        # And back again, with the next one.
        await world.restart()
        assert await world.slots() == {"head": [Slot.A], "serve": [Slot.A], "web": [Slot.A]}

    run(story())


def test_code_that_fails_leaves_the_old_generation_as_it_was(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        before = await world.running()
        world.fake.scripts["serve"] = FAILS
        with pytest.raises(StepFailed) as failed:
            await world.restart()
        assert "still running: head, serve, web" in failed.value.aftermath
        assert await world.running() == before
        assert (await world.states())["head"] == (await world.states())["serve"] == "ready"
        assert world.turns == [(Slot.A, False)]
        assert not (await world.ask("plan"))["start"]
        assert not world.keeper.parts.followers.supervisor.given_up

    run(story())


def test_who_is_asked_before_the_switch_may_refuse(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        before = await world.running()

        async def refuse(*_: object) -> None:
            raise DaybreakError("it answers otherwise")

        apply: Any = world.keeper.parts.operations["apply"]
        apply.replacing.before_switch.append(refuse)
        with pytest.raises(StepFailed, match="it answers otherwise"):
            await world.restart()
        assert await world.running() == before
        assert (Slot.B, True) not in world.turns

    run(story())


def test_where_a_service_of_the_users_fails_behind_the_switch_requests_go_back(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        before = await world.running()

        async def fail(*_: object) -> None:
            world.fake.scripts["web"] = Script(commands={"up": NEVER})

        async def mend() -> None:
            while (Slot.A, True) not in world.turns:
                await asyncio.sleep(0.1)
            world.fake.scripts["web"] = Script()

        apply: Any = world.keeper.parts.operations["apply"]
        apply.replacing.before_switch.append(fail)
        mending = asyncio.create_task(mend())
        with pytest.raises(StepFailed, match="web"):
            await world.restart()
        await mending
        after = await world.running()
        assert {name: after[name] for name in NODES} == {name: before[name] for name in NODES}
        assert await world.slots() == {"head": [Slot.A], "serve": [Slot.A], "web": [Slot.A]}
        assert (await world.states())["web"] == "ready"
        assert [slot for slot, _ in world.turns] == [Slot.B, Slot.A, Slot.A]

    run(story())


def test_a_canary_that_is_refused_turns_requests_back(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        before = await world.running()
        with pytest.raises(StepFailed, match="nothing could be compared"):  # nobody counts requests in this world
            await world.restart(way="replace", canary="10%,50%:1m")
        assert await world.running() == before
        assert world.turns == [(Slot.A, True), (Slot.A, False)]
        with pytest.raises(UsageError, match="rising per cents"):
            await world.restart(way="replace", canary="50%,10%")

    run(story())


def kept(world: TwoGenerations) -> None:
    """Somebody has asked for something."""
    text = line(1, server="a", request="/a?token=s3cr3t .")
    told = parse(text)
    assert told
    world.keeper.parts.followers.traffic.kept.take(text, told)


def test_a_rehearsal_decides_whether_requests_go_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[int] = []

    async def ask(*_: object) -> Told:
        return Told(answers.pop(0) if answers else 200, "text/plain", 9, 1.0)

    monkeypatch.setattr("daybreak.keeper.generations.rehearsal._ask", ask)

    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.begin("apply", spec=spec() | {"gateway": {"rehearse": True}}, base=str(tmp_path)).answer()
        await world.restart(way="replace", rehearse=True)
        assert "nothing to rehearse: the gateway has kept no request yet" in world.client.notes
        kept(world)
        await world.restart(way="replace", rehearse=True)
        assert world.client.notes[-1] == "rehearsed: 1 of the last requests are answered alike"
        before = await world.running()
        world.turns.clear()
        answers.extend([200, 404] * TRIES)
        with pytest.raises(StepFailed, match=r"1 of 1 rehearsed .*: GET /a\?token=...: status 404 instead of 200"):
            await world.restart(way="replace", rehearse=True)
        assert await world.running() == before
        assert {slot for slot, _ in world.turns} == {Slot.A}
        # The switch alone is what it is for.
        answers.extend([200, 404] * TRIES)
        await world.restart(way="replace")

    run(story())


def test_a_rehearsal_without_a_gateway_that_keeps_requests_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        world = TwoGenerations(tmp_path)
        await world.up().answer()
        before = await world.running()
        with pytest.raises(UsageError, match="the spec has no requests kept") as refused:
            await world.restart(way="replace", rehearse=True)
        assert "gateway: {rehearse: true}" in str(refused.value.hint)
        wanted = {"spec": spec() | {"gateway": {"rehearse": True}}, "base": str(tmp_path)}
        with pytest.raises(UsageError, match="the gateway that runs keeps no requests"):
            await world.restart(way="replace", rehearse=True, **wanted)
        with pytest.raises(UsageError, match="where it goes the way replace"):
            await world.restart(way="redeploy", rehearse=True)
        assert await world.running() == before
        assert world.turns == []

    run(story())
