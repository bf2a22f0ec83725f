"""Scheduled services: when they run, and what becomes of a run, whatever happens to clock, keeper and cluster."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import UsageError
from daybreak.services.service import Need, Restart, Run, Schedule, Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.keeper.test_steps import starts
from tests.unit.keeper.world import FakeClient, World

pytestmark = pytest.mark.usefixtures("threads_take_no_time", "killed_tasks_are_gone")
# A small day of ten minutes, with small hours, so that keepers need not live through many.
HOUR_S, DAY_S = 60.0, 600.0
# A midnight.
BEGIN = 20_000 * 86400.0


class Nightly(World):
    """A database, and a report each night at three that needs it. The wall clock goes with the loop's."""

    offset_s = BEGIN

    @staticmethod
    def built(spec: Spec, site: Site) -> tuple[Service, ...]:
        del spec, site
        night = Schedule("3-59/10 * * * *", "UTC")
        needs = (Need("db"),)
        report = service("report", Tier.APP, needs=needs, run=Run.TIMED, schedule=night, restart=Restart.NEVER)
        return (service("db", Tier.DATA, "up"), report)

    def __init__(self, folder: Path, **scripts: Script) -> None:
        super().__init__(folder, **{"report": Script(exits_after_s=20.0), **scripts})

    def again(self) -> None:
        super().again()
        self.keeper.parts.runs_at_times.wall = lambda: self.offset_s + asyncio.get_running_loop().time()
        self.begin_schedules = self.keeper.parts.schedules.begin

    async def row(self) -> dict[str, Any]:
        found = next(row for row in (await self.status())["services"] if row["name"] == "report")
        return dict(found)


async def up(world: Nightly) -> None:
    await world.up().answer()
    world.begin_schedules()


def test_it_runs_at_its_time_and_status_tells_of_it(tmp_path: Path) -> None:
    async def story() -> None:
        world = Nightly(tmp_path)
        await up(world)
        assert starts(world.fake) == ["db"]
        await asyncio.sleep(HOUR_S)
        assert (await world.status())["state"] == "ready"
        assert (await world.row())["state"] == "scheduled"
        assert (await world.row())["schedule"] == {"next": BEGIN + 3 * HOUR_S, "last": None}
        await asyncio.sleep(2 * HOUR_S + 10)
        assert starts(world.fake) == ["db", "report"]
        assert (await world.row())["state"] == "ready"
        await asyncio.sleep(HOUR_S)
        row = await world.row()
        assert row["state"] == "scheduled"
        assert (row["schedule"]["last"]["code"], row["schedule"]["next"]) == (0, BEGIN + DAY_S + 3 * HOUR_S)
        assert "last: exit code 0" in row["reason"]
        assert re.search(r"next \w{3} \d\d \w{3} \d\d:\d\d UTC;", row["reason"])
        assert set(await world.running()) == {"db"}
        await asyncio.sleep(2 * DAY_S)
        assert starts(world.fake).count("report") == 3

    run(story())


def test_of_times_that_passed_in_sleep_one_run_is_made_up_for(tmp_path: Path) -> None:
    async def story() -> None:
        world = Nightly(tmp_path)
        await up(world)
        await asyncio.sleep(HOUR_S)
        world.offset_s += 5 * DAY_S
        await asyncio.sleep(HOUR_S)
        assert starts(world.fake).count("report") == 1
        world.offset_s -= 30 * DAY_S  # set back
        await asyncio.sleep(DAY_S)
        assert starts(world.fake).count("report") == 2

    run(story())


def test_two_never_run_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        world = Nightly(tmp_path, report=Script(exits_after_s=1.5 * DAY_S))
        await up(world)
        await asyncio.sleep(1.2 * DAY_S)
        assert starts(world.fake).count("report") == 1
        await asyncio.sleep(1.2 * DAY_S)
        assert starts(world.fake).count("report") == 2
        client = FakeClient()
        await world.begin("start", client, services=["report"]).answer()
        assert "note: report: running already" in client.notes
        assert starts(world.fake).count("report") == 2

    run(story())


def test_a_run_that_takes_too_long_is_ended_and_has_failed(tmp_path: Path) -> None:
    class Limited(Nightly):
        @staticmethod
        def built(spec: Spec, site: Site) -> tuple[Service, ...]:
            db, report = Nightly.built(spec, site)
            assert report.schedule
            return (db, replace(report, schedule=replace(report.schedule, timeout_s=HOUR_S)))

    async def story() -> None:
        world = Limited(tmp_path, report=Script())
        await up(world)
        await asyncio.sleep(3.5 * HOUR_S)
        assert set(await world.running()) == {"db", "report"}
        await asyncio.sleep(HOUR_S)
        assert set(await world.running()) == {"db"}
        last = (await world.row())["schedule"]["last"]
        assert (last["code"], last["reason"]) == (None, "ended: it took longer than 60 s")
        await asyncio.sleep(DAY_S)
        assert starts(world.fake).count("report") == 2

    run(story())


def test_a_failed_run_is_told_until_one_goes_well(tmp_path: Path) -> None:
    async def story() -> None:
        world = Nightly(tmp_path, report=Script(exits_after_s=5.0, code=4))
        await up(world)
        world.keeper.parts.followers.alerting.begin()
        await asyncio.sleep(4 * HOUR_S)
        assert (await world.row())["schedule"]["last"]["code"] == 4
        assert (await world.status())["state"] == "ready"
        (alert,) = (await world.status())["alerts"]["firing"]
        assert (alert["what"], alert["service"]) == ("run-failed", "report")
        world.fake.scripts["report"] = Script(exits_after_s=5.0)
        await world.ask("start", services=["report"])
        await asyncio.sleep(HOUR_S)
        assert (await world.status())["alerts"]["firing"] == []

    run(story())


def test_what_it_needs_must_be_there(tmp_path: Path) -> None:
    async def story() -> None:
        world = Nightly(tmp_path)
        await up(world)
        await world.ask("stop", services=["db"])
        await asyncio.sleep(4 * HOUR_S)
        assert "report" not in starts(world.fake)
        assert "skipped: it needs db, which is stopped" in (await world.row())["reason"]

    run(story())


def test_it_is_run_by_hand_stopped_and_never_started_anew(tmp_path: Path) -> None:
    async def story() -> None:
        world = Nightly(tmp_path)
        await up(world)
        await world.ask("start", services=["report"])
        assert (await world.row())["state"] == "ready"
        await world.ask("apply", restart=True, keep_workers=True)
        assert starts(world.fake).count("report") == 1
        with pytest.raises(UsageError, match="daybreak start report"):
            await world.ask("replace", services=["report"])
        await world.ask("start", services=["report"])
        await world.ask("stop", services=["report"])
        assert set(await world.running()) == {"db"}
        await asyncio.sleep(2 * DAY_S)
        assert starts(world.fake).count("report") == 2
        assert world.keeper.parts.runs_at_times.failed() == {}
        assert ((await world.row())["state"], (await world.row())["reason"]) == ("stopped", "by you")
        await world.up().answer()
        await asyncio.sleep(DAY_S)
        assert starts(world.fake).count("report") == 3
        await world.ask("down")
        await asyncio.sleep(2 * DAY_S)
        assert starts(world.fake).count("report") == 3
        assert await world.running() == {}

    run(story())


def test_an_up_that_changes_nothing_leaves_a_run_alone(tmp_path: Path) -> None:
    async def story() -> None:
        world = Nightly(tmp_path)
        await up(world)
        await world.ask("start", services=["report"])
        before = await world.running()
        await world.up().answer()
        await world.crash("db")
        await asyncio.sleep(5)
        assert (await world.running())["report"] == before["report"]

    run(story())


def test_another_keeper_goes_on_with_a_run_and_makes_up_for_one_time(tmp_path: Path) -> None:
    async def story() -> None:
        world = Nightly(tmp_path)
        await up(world)
        await world.ask("start", services=["report"])
        world.backends.killed = True
        world.again()
        await world.keeper.adopt()
        world.begin_schedules()
        assert (await world.row())["state"] == "ready"
        await asyncio.sleep(HOUR_S)
        assert (await world.row())["schedule"]["last"]["code"] == 0
        world.backends.killed = True
        world.again()
        await asyncio.sleep(3 * DAY_S)
        await world.keeper.adopt()
        world.begin_schedules()
        await asyncio.sleep(HOUR_S)
        assert starts(world.fake).count("report") == 2

    run(story())


def test_a_time_that_comes_while_the_cluster_is_changed_is_kept_until_that_is_done(tmp_path: Path) -> None:
    async def story() -> None:
        world = Nightly(tmp_path)
        await up(world)
        await asyncio.sleep(3 * HOUR_S - 10)
        world.fake.scripts["db"] = Script(stops_after_s=40.0)
        changing = world.begin("replace", services=["db"])
        await asyncio.sleep(30)
        assert "report" not in starts(world.fake)
        await changing.answer()
        await asyncio.sleep(5)
        assert starts(world.fake)[-1] == "report"

    run(story())
