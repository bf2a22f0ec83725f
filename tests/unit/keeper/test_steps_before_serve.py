"""A step that the applications need, where they are redeployed, and where a generation starts beside another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import StepFailed
from daybreak.keeper.gateway.steering import Steering
from daybreak.keeper.planning.restart_facts import Ways
from daybreak.run.restart_way import Choice, Way
from daybreak.services.service import Need, Restart, Run, Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.keeper.generations.test_replacing import TwoGenerations
from tests.unit.keeper.generations.test_replacing import built as in_its_slot

pytestmark = pytest.mark.usefixtures("threads_take_no_time")
WAYS = [Choice(Way.REDEPLOY, "so", surge=1), Choice(Way.REPLACE, "so"), Choice(Way.IN_PLACE, "so")]


def built(spec: Spec, site: Site) -> tuple[Service, ...]:
    """The migration comes before what is deployed, and `web` needs it, too."""
    step = service("migrate", Tier.APP, run=Run.ONCE, restart=Restart.NEVER, slot=site.slot)
    known = in_its_slot(spec, site)
    return (
        step,
        *(replace(one, needs=(*one.needs, Need("migrate"))) if one.name != "head" else one for one in known),
    )


class Migrated(TwoGenerations):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fake.scripts["migrate"] = Script(exits_after_s=2.0)
        self.keeper.parts.followers.desired._build = built


@pytest.fixture(params=WAYS, ids=lambda choice: str(choice.way), autouse=True)
def chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    async def choose(*_: object, **__: object) -> Choice:
        found: Choice = request.param
        return found

    async def nothing(*_: object, **__: object) -> None: ...

    monkeypatch.setattr(Ways, "choose", choose)
    monkeypatch.setattr(Ways, "of_change", nothing)
    monkeypatch.setattr(Ways, "changed_code", lambda *_: "")
    monkeypatch.setattr("daybreak.keeper.operations.apply.vet", nothing)
    monkeypatch.setattr("daybreak.keeper.status.answering.door", lambda *_: None)  # no Serve is behind the fake
    monkeypatch.setattr("daybreak.keeper.generations.warm_up", nothing)
    monkeypatch.setattr(Steering, "before", nothing)
    return choose


def test_it_has_run_before_they_are_deployed(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path)
        await world.up().answer()
        for _ in range(2):
            world.fake.log.clear()
            await world.restart()
            log = world.fake.log
            assert log.index("start migrate") < log.index("start serve") < log.index("start web")
            assert log.count("start migrate") == 1
            status = await world.status()
            assert status["state"] == "ready"
            assert (await world.states())["migrate"] == "completed"
            assert sorted(await world.running()) == ["head", "migrate", "serve", "web"]

    run(story())


def test_where_it_fails_they_are_as_they_were(tmp_path: Path) -> None:
    async def story() -> None:
        world = Migrated(tmp_path)
        await world.up().answer()
        world.fake.scripts["migrate"] = Script(exits_after_s=2.0, code=1)
        world.fake.log.clear()
        with pytest.raises(StepFailed, match="migrate exited with code 1"):
            await world.restart()
        states = await world.states()
        assert {name: states[name] for name in ("head", "serve", "web")} == dict.fromkeys(
            ("head", "serve", "web"), "ready"
        )
        world.fake.scripts["migrate"] = Script(exits_after_s=2.0)
        await world.restart()
        assert (await world.status())["state"] == "ready"

    run(story())
