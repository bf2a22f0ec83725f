"""`down --keep-warm`: everything but the template stops, which ends when its time is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import UsageError
from daybreak.keeper.housekeeping.warm_time import WarmTime
from daybreak.services.service import Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.keeper import world
from tests.unit.keeper.world import SPEC, World


class Warm(World):
    """With a template."""

    @staticmethod
    def built(spec: Spec, site: Site) -> tuple[Service, ...]:
        return (service("warm", Tier.WARM, "up"), *world.built(spec, site))

    def warm_time(self) -> WarmTime:
        parts = self.keeper.parts
        return WarmTime(self.backends, parts.followers, parts.runner, parts.down.stop)

    async def begin_serving(self, **written: object) -> None:
        values = {**SPEC, "warm": True, **written}
        await self.begin("apply", spec=values, base=str(self.folder)).answer()


def test_the_template_alone_stays_and_the_next_start_finds_it(tmp_path: Path) -> None:
    async def story() -> None:
        made = Warm(tmp_path)
        await made.begin_serving()
        before = await made.running()
        done = await made.ask("down", keep_warm=600.0)
        assert await made.running() == {"warm": before["warm"]}
        assert [row["name"] for row in done["status"]["services"]] == ["warm"]
        assert (await made.states()) == {"warm": "ready"}
        assert any("is kept until" in note for note in (await made.status())["notes"])
        assert made.keeper.parts.followers.desired.serving is None
        await made.warm_time().once()  # not yet
        assert set(await made.running()) == {"warm"}
        await made.begin_serving()
        after = await made.running()
        assert after["warm"] == before["warm"]
        assert set(after) == set(before)
        # What was started meanwhile is ended by nobody.
        made.keeper.parts.followers.desired.change(warm_until=0.0)
        await made.warm_time().once()
        assert await made.running() == after
        assert made.keeper.parts.followers.desired.state.warm_until is None  # type: ignore[union-attr]

    run(story())


def test_it_ends_when_its_time_is_over_also_with_the_next_keeper(tmp_path: Path) -> None:
    async def story() -> None:
        made = Warm(tmp_path)
        await made.begin_serving()
        await made.ask("down", keep_warm=0.001)
        made.again()
        await made.keeper.adopt()
        assert set(await made.running()) == {"warm"}  # and nothing that had run before is brought back
        assert made.keeper.parts.followers.desired.serving is None
        await made.warm_time().once()
        assert await made.running() == {}
        assert (await made.status())["state"] == "stopped"

    run(story())


@pytest.mark.parametrize("given", [{"warm": False}, {"warm": True, "backend": "docker"}])
def test_without_a_template_nothing_is_stopped(tmp_path: Path, given: dict[str, object]) -> None:
    async def story() -> None:
        made = Warm(tmp_path)
        await made.begin_serving(**given)
        before = await made.running()
        with pytest.raises(UsageError, match="nothing can be kept warm"):
            await made.ask("down", keep_warm=60.0)
        assert await made.running() == before

    run(story())


def test_where_nothing_runs_nothing_is_kept(tmp_path: Path) -> None:
    async def story() -> None:
        made = Warm(tmp_path)
        await made.begin_serving()
        await made.ask("down")
        assert await made.ask("down", keep_warm=60.0) == {}
        assert await made.ask("down", keep_warm=60.0, volumes=True) == {"deleted": []}
        assert made.keeper.parts.followers.desired.cluster is None
        assert await made.running() == {}

    run(story())
