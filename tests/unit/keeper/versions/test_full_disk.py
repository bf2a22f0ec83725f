"""A version that cannot be written, on a fake backend: what is told is so."""

from __future__ import annotations

import errno
import os

import pytest

from daybreak.errors import DaybreakError, StepFailed
from daybreak.testing.clock import run
from tests.unit.keeper.versions.test_rollback import FAILS, Served
from tests.unit.keeper.versions.test_rollback import world as world

pytestmark = pytest.mark.usefixtures("threads_take_no_time")


@pytest.fixture(autouse=True)
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_out(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("daybreak.keeper.versions.keeping.check_out", check_out)


def test_a_rollback_has_changed_nothing(world: Served) -> None:
    async def story() -> None:
        await world.up()
        world.write("2")
        await world.restart()
        before = await world.running()
        with pytest.raises(DaybreakError, match=r"No space left on device; nothing was changed"):
            await world.back()
        assert await world.running() == before

    run(story())


def test_a_restart_that_failed_has(world: Served) -> None:
    async def story() -> None:
        await world.up()
        world.write("2")
        world.fake.scripts["serve"] = FAILS
        with pytest.raises(StepFailed):
            await world.restart()
        told = " ".join(world.client.notes)
        assert "what is deployed again is what the folder has now" in told
        assert "nothing was changed" not in told

    run(story())
