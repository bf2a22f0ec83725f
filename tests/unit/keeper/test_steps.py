"""Steps: what is run to its end before what needs it, and when it is run again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daybreak.backends.fake import FakeBackend, Script
from daybreak.errors import Interrupted, StepFailed
from daybreak.services.service import Need, Restart, Run, Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.keeper.world import World

pytestmark = pytest.mark.usefixtures("threads_take_no_time")
DONE_AFTER_S = 3.0


def migrated(spec: Spec, site: Site) -> tuple[Service, ...]:
    """A database, a migration that needs it, and an API that needs the migration; `head.env` is a part of the API."""
    del site
    step = service("migrate", Tier.APP, needs=(Need("db"),), run=Run.ONCE, restart=Restart.NEVER, start_timeout_s=60.0)
    api = service("api", Tier.APP, "up", env=dict(spec.head.env), needs=(Need("migrate"),))
    return (service("db", Tier.DATA, "up"), step, api)


class Migrated(World):
    built = staticmethod(migrated)

    def __init__(self, folder: Path, **scripts: Script) -> None:
        super().__init__(folder, **{"migrate": Script(exits_after_s=DONE_AFTER_S), **scripts})


def starts(fake: FakeBackend) -> list[str]:
    return [line.removeprefix("start ") for line in fake.log if line.startswith("start ")]


def test_a_step_runs_to_its_end_before_what_needs_it(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path)
        began = asyncio.get_running_loop().time()
        await world.up().answer()
        assert asyncio.get_running_loop().time() - began >= DONE_AFTER_S
        assert starts(world.fake) == ["db", "migrate", "api"]
        status = await world.status()
        assert status["state"] == "ready"
        row = next(row for row in status["services"] if row["name"] == "migrate")
        assert row["state"] == "completed"
        assert row["reason"].startswith("done in ")

    run(story())


class Early(Migrated):
    """One service needs nothing, and one the step."""

    @staticmethod
    def built(spec: Spec, site: Site) -> tuple[Service, ...]:
        return (*migrated(spec, site), service("early", Tier.APP))


def test_up_does_not_call_ready_what_has_ended_meanwhile(tmp_path: Path) -> None:
    async def story() -> None:
        world = Early(tmp_path, early=Script(exits_after_s=DONE_AFTER_S / 2, code=3))
        done = await world.up().answer()
        row = next(row for row in done["status"]["services"] if row["name"] == "early")
        assert (row["state"], row["reason"]) == ("backing-off", "exited with code 3")
        assert done["status"]["state"] == "degraded"
        world.fake.scripts["early"] = Script()
        await asyncio.sleep(60)
        assert (await world.status())["state"] == "ready"

    run(story())


def test_it_is_run_again_where_what_needs_it_starts_and_never_by_itself(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path)
        await world.up().answer()
        await world.up().answer()  # nothing differs
        assert starts(world.fake) == ["db", "migrate", "api"]
        world.fake.log.clear()
        await world.up(spec={"env": "new"}).answer()
        assert starts(world.fake) == ["migrate", "api"]
        world.fake.log.clear()
        await world.ask("apply", restart=True, keep_workers=True)
        assert starts(world.fake) == ["migrate", "api"]
        world.fake.log.clear()
        await world.crash("api")
        await asyncio.sleep(300)
        assert starts(world.fake) == ["api"]
        assert await world.states() == {"db": "ready", "migrate": "completed", "api": "ready"}
        await world.ask("replace", service="api")
        assert starts(world.fake) == ["api", "api"]

    run(story())


def test_where_it_fails_nothing_that_needs_it_starts(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path, migrate=Script(exits_after_s=1.0, code=3))
        with pytest.raises(StepFailed, match="migrate exited with code 3"):
            await world.up().answer()
        assert starts(world.fake) == ["db", "migrate"]
        assert await world.running() == {}

    run(story())


def test_where_it_fails_in_a_change_what_ran_before_runs_again(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path)
        await world.up().answer()
        world.fake.scripts["migrate"] = Script(exits_after_s=1.0, code=3)
        with pytest.raises(StepFailed, match="migrate exited with code 3") as failed:
            await world.up(spec={"env": "new"}).answer()
        assert failed.value.aftermath == "still running: db, api"
        world.fake.log.clear()
        await world.crash("api")
        await asyncio.sleep(300)
        assert starts(world.fake) == ["api"]
        assert (await world.states())["migrate"] == "failed"

    run(story())


def test_one_that_does_not_end_is_taken_down_at_its_deadline(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path, migrate=Script())
        with pytest.raises(StepFailed, match="migrate did not end within 60 s"):
            await world.up().answer()
        assert await world.running() == {}

    run(story())


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path, migrate=Script())
        operation = world.up()
        await asyncio.sleep(1)
        operation.cancel()
        with pytest.raises(Interrupted):
            await operation.answer()
        assert await world.running() == {}

    run(story())


@pytest.mark.usefixtures("killed_tasks_are_gone")
def test_a_killed_keeper_leaves_it_to_the_next_which_ends_it_and_runs_it_once_more(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path, migrate=Script(exits_after_s=50.0))
        world.up()
        await asyncio.sleep(1)
        world.backends.killed = True
        world.again()
        await world.keeper.adopt()
        await asyncio.sleep(2)
        assert [line for line in world.fake.log if "migrate" in line] == [
            "start migrate",
            "stop migrate",
            "start migrate",
        ]
        await asyncio.sleep(60)
        assert await world.states() == {"db": "ready", "migrate": "completed", "api": "ready"}

    run(story())


@pytest.mark.usefixtures("killed_tasks_are_gone")
def test_a_keeper_that_finds_it_done_does_not_run_it_again(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path)
        await world.up().answer()
        world.backends.killed = True
        world.again()
        world.fake.log.clear()
        await world.keeper.adopt()
        await asyncio.sleep(60)
        assert starts(world.fake) == []
        assert (await world.status())["state"] == "ready"
        await world.crash("api")
        await asyncio.sleep(60)
        assert starts(world.fake) == ["api"]

    run(story())
