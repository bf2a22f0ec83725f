"""Stories of a keeper whose head knows something that outlives it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import PreflightError
from daybreak.run.plan import Plan
from daybreak.services.service import HealthPolicy, Need, Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.keeper.world import NEVER
from tests.unit.keeper.world import World as Plain

pytestmark = pytest.mark.usefixtures("threads_take_no_time")
STEADY_S = 100.0
HANGS_ON_IT = ("worker-1", "deployment")


def built(spec: Spec, site: Site) -> tuple[Service, ...]:
    """A head, a worker and a deployment that outlive it, and a program that does not."""
    outlives = (Need("head", bind=True, outlives=True),)
    return (
        service("head", Tier.APP, "up", start_timeout_s=30.0),
        service("worker-1", Tier.APP, "up", needs=outlives, start_timeout_s=30.0, health=HealthPolicy()),
        service("deployment", Tier.APP, "up", needs=outlives, start_timeout_s=30.0, one_shot=True),
        service("driver", Tier.APP, "up", needs=(Need("head", bind=True),)),
    )


class World(Plain):
    built = staticmethod(built)


async def risen(folder: Path) -> tuple[World, dict[str, str]]:
    """Everything has run for a while."""
    world = World(folder, deployment=Script(exits_after_s=1.0))
    await world.up().answer()
    await asyncio.sleep(STEADY_S)
    return world, await world.running()


async def settled(world: World, for_s: float = 5.0) -> dict[str, str]:
    """All is ready again; returns what runs."""
    await asyncio.sleep(for_s)
    states = await world.states()
    assert set(states.values()) <= {"ready", "completed"}, states
    return await world.running()


def same(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if after.get(name) == before[name]}


def test_a_head_that_dies_comes_back_and_what_outlives_it_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        world, before = await risen(tmp_path)
        await world.crash("head")
        after = await settled(world)
        assert same(before, after) == {"head", *HANGS_ON_IT}
        assert world.fake.log.count("start head as it was") == 1
        assert "stop worker-1" not in world.fake.log
        # And again, when it has run steadily.
        await asyncio.sleep(STEADY_S)
        await world.crash("head")
        assert same(before, await settled(world)) == {"head", *HANGS_ON_IT}

    run(story())


def test_one_that_dies_again_at_once_starts_with_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        world, before = await risen(tmp_path)
        await world.crash("head")
        await settled(world)
        await world.crash("head")
        assert not same(before, await settled(world))
        assert world.fake.log.count("start head as it was") == 1

    run(story())


def test_one_whose_port_a_stranger_holds_comes_back_when_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def preflight(steps: Plan, *_: object) -> None:
        if len(refused) < 3 and steps.starts("head"):
            refused.append("head")
            raise PreflightError(["port 20001 (the GCS) is in use by a stranger"])

    async def story() -> None:
        world, before = await risen(tmp_path)
        monkeypatch.setattr("daybreak.keeper.runs.measured_runs.preflight", preflight)
        await world.crash("head")
        assert same(before, await settled(world, 60.0)) == {"head", *HANGS_ON_IT}
        assert len(refused) == 3
        assert world.fake.log.count("start head as it was") == 1

    run(story())


@pytest.mark.parametrize("hangs", ["head", "worker-1", "deployment"])
def test_where_it_does_not_become_well_again_everything_starts_with_nothing(tmp_path: Path, hangs: str) -> None:
    async def story() -> None:
        world, before = await risen(tmp_path)
        usual = world.fake.script(hangs)
        world.fake.scripts[hangs] = Script(usual.exits_after_s, commands={"up": NEVER})
        await world.crash("head")
        await asyncio.sleep(25.0)
        world.fake.log.clear()
        await asyncio.sleep(6.0)
        world.fake.scripts[hangs] = usual
        assert not same(before, await settled(world, 60.0))
        assert "start head" in world.fake.log
        assert "start head as it was" not in world.fake.log

    run(story())


def test_a_keeper_that_comes_later_brings_it_back_too(tmp_path: Path) -> None:
    async def story() -> None:
        world, before = await risen(tmp_path)
        await world.crash_unseen("head")
        assert same(before, await settled(world, 20.0)) == {"head", *HANGS_ON_IT}

    run(story())


def test_a_restart_and_the_next_up_start_with_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        world, before = await risen(tmp_path)
        await world.ask("apply", restart=True, keep_workers=True)
        after = await settled(world)
        assert not same(before, after)
        await world.ask("down")
        await world.up().answer()
        assert not same(after, await settled(world))
        assert "start head as it was" not in world.fake.log

    run(story())


def test_what_has_lost_its_head_unseen_is_not_ready_unless_it_outlives_it(tmp_path: Path) -> None:
    """Whoever waits for it would be told that it is, and the gateway that it may let requests go."""

    async def story() -> None:
        world, before = await risen(tmp_path)
        await world.crash_unseen("head")
        states = await world.states()
        assert states == {"head": "crashed", "worker-1": "ready", "deployment": "ready", "driver": "starting"}
        assert same(before, await settled(world)) == {"head", *HANGS_ON_IT}

    run(story())
