"""The whole keeper on a fake backend: what each operation does, and what a cancelled one leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import Interrupted, NotRunning, StepFailed, UsageError
from daybreak.keeper import daemon
from daybreak.testing.clock import run
from tests.unit.keeper.world import NEVER, FakeClient, World, spec

pytestmark = pytest.mark.usefixtures("threads_take_no_time")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and "timeline" not in path.name
    }


def test_up_restart_scale_and_down(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        done = await world.up().answer()
        assert done["status"]["state"] == "ready"
        assert done["status"]["run"] is None
        first = await world.running()
        assert set(first) == {"db", "web-1"}
        await world.ask("apply", restart=True, keep_workers=True)
        second = await world.running()
        assert second["db"] == first["db"]
        assert second["web-1"] != first["web-1"]
        await world.ask("apply", workers=3, only_running=True)
        assert await world.running() == second | {name: (await world.running())[name] for name in ("web-2", "web-3")}
        assert (await world.status())["workers"] == 3
        await world.ask("down")
        assert await world.running() == {}
        assert (await world.status())["state"] == "stopped"
        with pytest.raises(NotRunning):
            await world.ask("apply", workers=1, only_running=True)

    run(story())


def test_a_worker_that_ray_was_told_to_drain_is_not_kept_by_the_next_command(tmp_path: Path) -> None:
    """The run that drained it was interrupted: it still runs, and is about to end."""

    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 3}).answer()
        before = await world.running()
        world.keeper.parts.followers.draining._told.update({before["web-2"], before["web-3"]})
        await world.ask("apply", workers=2, only_running=True)
        after = await world.running()
        assert set(after) == {"db", "web-1", "web-2"}
        assert {name for name in after if after[name] != before[name]} == {"web-2"}
        await world.ask("apply", workers=3, only_running=True)
        assert (await world.running())["web-2"] == after["web-2"], "a new one is none of those"

    run(story())


def test_one_service_is_started_anew_and_the_rest_stays(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 2}).answer()
        before, generation = await world.running(), (await world.status())["generation"]
        await world.ask("replace", service="web-2")
        after = await world.running()
        assert {name for name in after if after[name] != before[name]} == {"web-2"}
        await world.ask("replace", service="db")
        assert {name for name in after if (await world.running())[name] != after[name]} == {"db"}
        assert (await world.status())["generation"] == generation
        with pytest.raises(UsageError, match="has no service 'web-3'"):
            await world.ask("replace", service="web-3")
        await world.ask("down")
        with pytest.raises(NotRunning):
            await world.ask("replace", service="web-2")

    run(story())


def test_one_that_does_not_come_back_fails_the_command_and_takes_nothing_along(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up(spec={"workers": 2}).answer()
        world.fake.scripts["web-2"] = Script(commands={"up": NEVER})
        with pytest.raises(StepFailed, match="web-2") as failed:
            await world.ask("replace", service="web-2")
        assert failed.value.aftermath == "still running: db, web-1; not running: web-2"

    run(story())


def test_what_cannot_be_meant_is_refused_at_the_door(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        for request in ({"op": "nonsense"}, {"op": "apply", "workers": 1000}, {"op": "apply"}):
            with pytest.raises(UsageError):
                await world.keeper.begin(request, FakeClient()).answer()
        with pytest.raises(UsageError, match="cannot be read"):
            await world.ask("apply", spec={"name": "shop", "wrokers": 1}, base=str(tmp_path))

    run(story())


def test_a_failed_up_goes_back_to_what_ran(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        world.fake.scripts["web-2"] = Script(commands={"up": NEVER})
        client = FakeClient()
        with pytest.raises(StepFailed, match="web-2") as failed:
            await world.up(client, spec={"workers": 2, "env": "new"}).answer()
        assert "going back" in " ".join(client.notes)
        assert failed.value.aftermath == "still running: db, web-1"
        assert await world.states() == {"db": "ready", "web-1": "ready"}
        assert (await world.status())["workers"] == 1
        # It is settled on what it went back to.
        await world.crash("web-1")
        await asyncio.sleep(5)
        assert await world.states() == {"db": "ready", "web-1": "ready"}

    run(story())


def test_a_failed_first_up_leaves_nothing_and_with_keep_what_came_up(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path, web_1=Script(commands={"up": NEVER}))
        with pytest.raises(StepFailed):
            await world.up().answer()
        assert await world.running() == {}
        with pytest.raises(StepFailed):
            await world.up(keep=True).answer()
        await asyncio.sleep(300)
        assert await world.states() == {"db": "ready", "web-1": "failed"}

    run(story())


STAGES = ["turn", "pulling images", "observing", "vetting", "up of db", "up of web-1", "the page"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("runs_before", [False, True], ids=["new", "running"])
def test_up_can_be_cancelled_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, runs_before: bool
) -> None:
    async def story() -> None:
        world = World(tmp_path)
        if runs_before:
            await world.up(spec={"workers": 1}).answer()
        before = await world.running()
        world.backends.halts_at = stage

        async def vet(*_: Any) -> None:
            await world.backends.step("vetting")

        async def page() -> None:
            await world.backends.step("the page")

        monkeypatch.setattr("daybreak.keeper.operations.apply.vet", vet)
        monkeypatch.setattr(world.keeper.parts.followers.page, "open", page)
        first = world.up(spec={"workers": 3, "env": "new"}) if stage == "turn" else None
        if first:
            world.backends.halts_at = "pulling images"
        client = FakeClient()
        operation = world.up(client, spec={"workers": 2})
        await world.backends.reached.wait()
        operation.cancel()
        with pytest.raises(Interrupted, match="interrupted"):
            await operation.answer()
        if first:
            first.cancel()
            with pytest.raises(Interrupted):
                await first.answer()
        world.backends.halts_at = ""
        assert await world.running() == before
        assert set(await world.states()) - set(before) <= {"db", "web-1", "web-2"}
        assert all(state == "ready" for name, state in (await world.states()).items() if name in before)
        done = await world.up(spec={"workers": 2}).answer()
        assert done["status"]["state"] == "ready"
        assert set(await world.running()) == {"db", "web-1", "web-2"}

    if runs_before and stage == "up of db":
        pytest.skip("the database is up already")
    if runs_before and stage == "up of web-1":
        stage = "up of web-2"
    run(story())


@pytest.mark.parametrize("by", ["", "`daybreak down` (pid 1)"])
def test_what_an_interrupted_restart_has_ended_comes_back(tmp_path: Path, by: str) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        before = await world.running()
        world.backends.halts_at = "up of web-1"
        operation = world.begin("apply", restart=True)
        await world.backends.reached.wait()
        operation.cancel(by)
        with pytest.raises(Interrupted) as caught:
            await operation.answer()
        assert set(await world.running()) == {"db"}
        assert ("what ran before is started again" in caught.value.aftermath) == (not by)
        world.backends.halts_at = ""
        await asyncio.sleep(10)
        after = await world.running()
        if by:
            assert set(after) == {"db"}, "somebody else has plans of their own"
        else:
            assert after["db"] == before["db"]
            assert await world.states() == {"db": "ready", "web-1": "ready"}

    run(story())


def test_a_cancellation_before_the_first_step_is_not_lost(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        operation = world.up()
        operation.cancel()
        with pytest.raises(Interrupted, match="nothing was changed"):
            await operation.answer()
        assert await world.running() == {}

    run(story())


def test_a_client_that_vanishes_cancels_what_it_asked_for_but_a_stop(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.backends.halts_at = "up of web-1"
        operation = world.up()
        await world.backends.reached.wait()
        operation.abandon()
        with pytest.raises(Interrupted):
            await operation.answer()
        assert await world.running() == {}
        world.backends.halts_at = ""
        await world.up().answer()
        stopping = world.begin("down")
        stopping.abandon()
        await stopping.answer()
        assert await world.running() == {}

    run(story())


def test_down_cancels_another_clients_run_and_tells_it_who_did_it(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        world.backends.halts_at = "up of web-1"
        running, waiting = world.up(), world.begin("apply", restart=True)
        await world.backends.reached.wait()
        world.backends.halts_at = ""
        await world.ask("down", pid=4711)
        for operation in (running, waiting):
            with pytest.raises(Interrupted, match=r"interrupted by `daybreak down` \(pid 4711\)"):
                await operation.answer()
        assert await world.running() == {}
        assert (await world.status())["state"] == "stopped"

    run(story())


def test_down_cancels_a_recovery(tmp_path: Path) -> None:
    async def story() -> float:
        world = World(tmp_path)
        await world.up().answer()
        world.backends.halts_at = "up of web-1"
        await world.crash("web-1")
        await world.backends.reached.wait()
        assert (await world.status())["run"] == "recovery"
        world.backends.halts_at = ""
        began = asyncio.get_running_loop().time()
        await world.ask("down")
        took = asyncio.get_running_loop().time() - began
        assert await world.running() == {}
        await asyncio.sleep(600)
        assert await world.running() == {}
        return took

    assert run(story()) < 1


def test_down_cancels_going_back_as_well(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        world.fake.scripts["web-1"] = Script(exits_after_s=1.0, code=3, commands={"up": NEVER})
        operation = world.up(spec={"env": "new"})
        while (await world.status())["run"] != "recovery":
            await asyncio.sleep(0.1)
        await world.ask("down")
        with pytest.raises(StepFailed):
            await operation.answer()
        assert await world.running() == {}

    run(story())


def test_the_page_restarts_and_is_no_exception(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        assert not world.keeper.begin_restart(), "nothing runs"
        await world.up().answer()
        before = await world.running()
        world.backends.halts_at = "up of web-1"
        assert world.keeper.begin_restart()
        assert not world.keeper.begin_restart(), "one is enough"
        await world.backends.reached.wait()
        assert not world.keeper.begin_restart(), "something is under way"
        world.backends.halts_at = ""
        await world.ask("down")
        assert await world.running() == {}
        assert before

    run(story())


def test_plan_is_what_up_does_and_changes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        wanted: dict[str, Any] = {"workers": 2, "env": "new"}
        before, kept = files(tmp_path), await world.running()
        fields = {"base": str(tmp_path), "spec": spec(**wanted)}
        shown = await world.ask("plan", **fields)
        assert files(tmp_path) == before
        assert await world.running() == kept
        client = FakeClient()
        await world.up(client, spec=wanted).answer()
        planned = next(m["event"]["data"] for m in client.sent if m.get("event", {}).get("kind") == "planned")
        assert planned == {
            "stop": [step["service"] for step in shown["stop"]],
            "start": [step["service"] for step in shown["start"]],
            "keep": shown["keep"],
        }
        assert planned["start"] == ["web-1", "web-2"]

    run(story())


def test_a_new_keeper_adopts_what_runs_and_brings_back_what_died(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        before = await world.running()
        await world.crash_unseen("web-1")
        states = await world.states()
        assert (states["db"], states["web-1"]) == ("ready", "crashed")
        await asyncio.sleep(5)
        after = await world.running()
        assert after["db"] == before["db"]
        assert after["web-1"] != before["web-1"]

    run(story())


def test_a_new_keeper_brings_back_what_is_gone_altogether(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        world.keeper.close()
        for handle in await world.fake.observe():
            await world.fake.stop(handle)
        world.again()
        await world.keeper.adopt()
        assert not await world.keeper.idle_exit.idle()
        await asyncio.sleep(daemon.FIRST_COMMAND_S + 5)
        assert set(await world.running()) == {"db", "web-1"}
        await world.ask("down")
        world.keeper.close()
        world.again()
        await world.keeper.adopt()
        assert await world.keeper.idle_exit.idle(), "what was stopped stays so"

    run(story())


def test_the_keeper_leaves_when_nothing_runs_but_not_during_a_back_off(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        assert await world.keeper.idle_exit.idle()
        await world.up().answer()
        assert not await world.keeper.idle_exit.idle()
        world.fake.scripts = {name: Script(refuses=True) for name in ("db", "web-1")}
        for name in ("db", "web-1"):
            await world.crash(name)
        for _ in range(100):
            await asyncio.sleep(0.5)
            assert not await world.keeper.idle_exit.idle()
        world.fake.scripts = {}
        await asyncio.sleep(60)
        assert set(await world.running()) == {"db", "web-1"}

    run(story())
