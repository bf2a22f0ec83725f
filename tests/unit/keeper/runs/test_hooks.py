"""The user's commands before and after `up`, `restart` and `down`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import DaybreakError, Interrupted, ServiceDied, WaitTimeout
from daybreak.keeper.runner import Operation
from daybreak.testing.clock import run
from tests.unit.keeper.world import FakeClient, World, spec

pytestmark = pytest.mark.usefixtures("threads_take_no_time", "killed_tasks_are_gone")
MOMENTS = [f"{when}_{verb}" for verb in ("up", "restart", "down") for when in ("before", "after")]
WELL = Script(exits_after_s=1.0)


class Hooked(World):
    def hooked(self, client: FakeClient | None = None, hooks: Any = None, **fields: Any) -> Operation:
        wanted = {moment: ["tell", moment] for moment in MOMENTS} if hooks is None else hooks
        values = {"spec": {**spec(), "hooks": wanted}, "base": str(self.folder), **fields}
        return self.begin("apply", client, **values)


def told(client: FakeClient) -> list[str]:
    return [note.partition(":")[0] for note in client.notes if note.partition(":")[0] in MOMENTS]


def test_each_is_run_at_its_moment(tmp_path: Path) -> None:
    async def story() -> None:
        world, client = Hooked(tmp_path, hooks=WELL), FakeClient()
        await world.hooked(client).answer()
        assert world.fake.log[0] == "start hooks"
        assert told(client) == ["before_up", "after_up"]
        client = FakeClient()
        await world.begin("apply", client, restart=True, keep_workers=True).answer()
        assert told(client) == ["before_restart", "after_restart"]
        client = FakeClient()
        await world.begin("apply", client, workers=2, only_running=True).answer()
        await world.begin("apply", client, restart=True, keep_workers=True, hooks=False).answer()
        await world.hooked(client, changed_only=True).answer()
        assert told(client) == []
        await world.begin("down", client).answer()
        assert told(client) == ["before_down", "after_down"]
        assert await world.running() == {}

    run(story())


def test_several_run_one_after_another_until_one_fails(tmp_path: Path) -> None:
    async def story() -> None:
        world, client = Hooked(tmp_path, hooks=WELL), FakeClient()
        await world.hooked(client, hooks={"before_up": [["first"], {"command": ["second"]}]}).answer()
        assert [note for note in client.notes if "_up:" in note] == ["before_up: first", "before_up: second"]
        world.fake.scripts["hooks"] = Script(exits_after_s=1.0, code=5)
        client = FakeClient()
        with pytest.raises(DaybreakError, match="the after_up hook exited with code 5"):
            await world.hooked(client, hooks={"after_up": [["no"], ["never"]]}).answer()
        assert [note for note in client.notes if "_up:" in note] == ["after_up: no"]

    run(story())


def test_one_before_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async def story() -> None:
        world = Hooked(tmp_path, hooks=Script(exits_after_s=1.0, code=5))
        with pytest.raises(ServiceDied, match="the before_up hook exited with code 5; nothing was changed") as failed:
            await world.hooked().answer()
        assert "--no-hooks" in str(failed.value.hint)
        assert await world.running() == {}
        await world.hooked(hooks={}).answer()
        before = await world.running()
        await world.hooked(hooks={"before_down": ["no"], "before_restart": ["no"]}).answer()
        for op, fields in (("apply", {"restart": True, "keep_workers": True}), ("down", {})):
            with pytest.raises(ServiceDied, match="nothing was changed"):
                await world.ask(op, **fields)
            assert await world.running() == before
            assert (await world.status())["state"] == "ready"
        await world.ask("down", hooks=False)
        assert await world.running() == {}

    run(story())


def test_one_after_that_fails_is_told_and_what_was_done_stays(tmp_path: Path) -> None:
    async def story() -> None:
        world = Hooked(tmp_path, hooks=Script(exits_after_s=1.0, code=5))
        with pytest.raises(DaybreakError, match="the after_up hook exited with code 5; `up` itself is done") as failed:
            await world.hooked(hooks={"after_up": ["no"]}).answer()
        assert failed.value.exit_code == 1
        assert (await world.status())["state"] == "ready"
        await world.crash("web-1")
        await asyncio.sleep(60)
        assert set(await world.running()) == {"db", "web-1"}

    run(story())


def test_each_has_a_deadline_and_is_ended_by_ctrl_c(tmp_path: Path) -> None:
    async def story() -> None:
        world = Hooked(tmp_path, hooks=Script())
        with pytest.raises(WaitTimeout, match="did not end within 60 s; nothing was changed"):
            await world.hooked().answer()
        assert await world.running() == {}
        operation = world.hooked(hooks={"before_up": {"command": ["long"], "timeout": 3600}})
        await asyncio.sleep(100)
        assert set(await world.running()) == {"hooks"}
        operation.cancel()
        with pytest.raises(Interrupted, match="nothing was changed"):
            await operation.answer()
        assert await world.running() == {}

    run(story())


def test_what_a_killed_keeper_has_left_of_one_ends(tmp_path: Path) -> None:
    async def story() -> None:
        world = Hooked(tmp_path, hooks=Script())
        world.hooked()
        await asyncio.sleep(5)
        world.backends.killed = True
        world.again()
        await world.keeper.adopt()
        assert await world.running() == {}

    run(story())
