"""`stop SERVICE` and `start SERVICE`: what is stopped stays so until somebody starts it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import NotRunning, StepFailed, UsageError
from daybreak.services.service import Need, Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.keeper.test_steps import Migrated, starts
from tests.unit.keeper.world import NEVER, FakeClient, World

pytestmark = pytest.mark.usefixtures("threads_take_no_time")


class WithHead(World):
    @staticmethod
    def built(spec: Spec, site: Site) -> tuple[Service, ...]:
        del spec, site
        api = service("api", Tier.APP, "up", needs=(Need("head"),))
        return (service("head", Tier.APP, "up"), service("serve", Tier.APP, "up"), api)


async def row(world: World, name: str) -> tuple[str, str]:
    found = next(row for row in (await world.status())["services"] if row["name"] == name)
    return found["state"], found["reason"]


def test_it_stays_stopped_over_supervision_another_keeper_and_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 2}).answer()
        client = FakeClient()
        await world.begin("stop", client, services=["db"]).answer()
        assert "note: web-1 needs db, and runs on without" in client.notes
        assert await row(world, "db") == ("stopped", "by you")
        assert (await world.status())["state"] == "ready"
        await asyncio.sleep(300)
        assert set(await world.running()) == {"web-1", "web-2"}
        await world.crash("web-1")
        await asyncio.sleep(60)
        assert set(await world.running()) == {"web-1", "web-2"}
        world.backends.killed = True
        world.again()
        await world.keeper.adopt()
        await asyncio.sleep(300)
        assert set(await world.running()) == {"web-1", "web-2"}
        told = FakeClient()
        await world.begin("apply", told, restart=True, keep_workers=True).answer()
        assert any("db: stopped by you" in note for note in told.notes)
        assert await row(world, "db") == ("stopped", "by you")
        await world.ask("apply", workers=1, only_running=True)
        assert set(await world.running()) == {"web-1"}
        await world.up(spec={"workers": 1}).answer()
        assert await world.states() == {"db": "ready", "web-1": "ready"}

    run(story())


def test_a_plan_tells_what_up_and_restart_would_do_with_it(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 2}).answer()
        await world.ask("stop", services=["db"])
        planned = await world.ask("plan")
        assert [step["service"] for step in planned["start"]] == ["db"]
        assert not any("stopped by you" in note for note in planned["notes"])
        planned = await world.ask("plan", restart=True, keep_workers=True)
        assert "db" not in [step["service"] for step in planned["start"]]
        assert any("db: stopped by you" in note for note in planned["notes"])
        assert await row(world, "db") == ("stopped", "by you")

    run(story())


def test_start_brings_it_back_and_nothing_else_changes(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 3}).answer()
        before = await world.running()
        await world.ask("stop", services=["web-2", "web-3"])
        assert await world.running() == {name: before[name] for name in ("db", "web-1")}
        await world.ask("start", services=["web-3"])
        assert set(await world.running()) == {"db", "web-1", "web-3"}
        await world.ask("replace", services=["web-2"])
        after = await world.running()
        assert (after["db"], after["web-1"]) == (before["db"], before["web-1"])
        assert await world.states() == {"db": "ready", "web-1": "ready", "web-2": "ready", "web-3": "ready"}
        client = FakeClient()
        await world.begin("start", client, services=["web-1"]).answer()
        assert "note: web-1: running already" in client.notes
        assert await world.running() == after

    run(story())


def test_one_that_does_not_start_stays_stopped(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        await world.ask("stop", services=["web-1"])
        world.fake.scripts["web-1"] = Script(commands={"up": NEVER})
        with pytest.raises(StepFailed, match="web-1"):
            await world.ask("start", services=["web-1"])
        await asyncio.sleep(300)
        assert set(await world.running()) == {"db"}

    run(story())


def test_what_hangs_on_others_is_refused_with_everything_else_that_is_wrong(tmp_path: Path) -> None:
    async def story() -> None:
        world = WithHead(tmp_path)
        await world.up().answer()
        before = await world.running()
        with pytest.raises(UsageError) as refused:
            await world.ask("stop", services=["head", "serve", "apo", "api"])
        for words in ("daybreak down", "daybreak pause", "has no service 'apo' (did you mean 'api'?)", "nothing was"):
            assert words in refused.value.message
        assert await world.running() == before
        with pytest.raises(UsageError, match="--redeploy"):
            await world.ask("replace", services=["serve"])
        await world.ask("down")
        with pytest.raises(NotRunning):
            await world.ask("stop", services=["api"])

    run(story())


def test_a_step_is_run_by_hand_and_is_nothing_to_stop(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path)
        await world.up().answer()
        world.fake.log.clear()
        await world.ask("start", services=["migrate"])
        assert starts(world.fake) == ["migrate"]
        with pytest.raises(UsageError, match="nothing to stop"):
            await world.ask("stop", services=["migrate"])

    run(story())


@pytest.mark.usefixtures("killed_tasks_are_gone")
def test_a_stop_whose_keeper_is_killed_is_finished_by_the_next_one(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path, web_1=Script(stops_after_s=10.0))
        await world.up(spec={"workers": 2}).answer()
        world.begin("stop", services=["web-1"])
        await asyncio.sleep(1)
        world.backends.killed = True
        world.again()
        await world.keeper.adopt()
        await asyncio.sleep(120)
        assert set(await world.running()) == {"db", "web-2"}
        assert await row(world, "web-1") == ("stopped", "by you")
        await world.crash("web-2")
        await asyncio.sleep(60)
        assert set(await world.running()) == {"db", "web-2"}

    run(story())
