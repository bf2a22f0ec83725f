"""A restart that redeploys, on a fake backend: what it replaces, and what becomes of it where the new code fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import StepFailed, UsageError
from daybreak.keeper.planning.restart_facts import Ways, goal_of, services_of
from daybreak.run.plan import Goal
from daybreak.run.restart_way import STARTED_ELSEWHERE, Choice, Way
from daybreak.services.build import Cluster, build
from daybreak.services.ray.serve import DEPLOYED, redeploying, serve, way_file
from daybreak.services.service import Need, Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.keeper.world import FakeClient, World
from tests.unit.services import engine
from tests.unit.services.test_serving import site

APPS = {"applications": [{"import": "app:main"}]}
REDEPLOY = Choice(Way.REDEPLOY, "so", 100)
WORKS, FAILS = Script(exits_after_s=1.0), Script(exits_after_s=1.0, code=1)


def built(spec: Spec, _: Site) -> tuple[Service, ...]:
    """A head, what is deployed on it, and a service beside; `head.env` is a part of what the head is."""
    head = service("head", Tier.APP, "up", env=dict(spec.head.env))
    deployment = service("serve", Tier.APP, needs=(Need("head", bind=True),), one_shot=True, start_timeout_s=9.0)
    return (head, deployment, service("web", Tier.APP, "up", needs=(Need("serve"),)))


class Served(World):
    """A world whose restarts redeploy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, serve=WORKS)
        self.keeper.parts.followers.desired._build = built
        self.client = FakeClient()

    async def restart(self, **fields: Any) -> Any:
        return await self.begin("apply", self.client, restart=True, keep_workers=True, **fields).answer()


@pytest.fixture(autouse=True)
def chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def choose(*_: object, **__: object) -> Choice:
        return REDEPLOY

    async def nothing(*_: object) -> None: ...

    async def none(*_: object) -> None: ...

    monkeypatch.setattr(Ways, "choose", choose)
    monkeypatch.setattr(Ways, "of_change", none)
    monkeypatch.setattr(Ways, "changed_code", lambda *_: "")
    monkeypatch.setattr("daybreak.keeper.operations.apply.vet", nothing)
    monkeypatch.setattr("daybreak.keeper.status.answering.door", lambda *_: None)  # no Serve is behind the fake


def test_only_what_is_no_node_is_replaced_and_the_generation_stays(tmp_path: Path) -> None:
    async def story() -> None:
        world = Served(tmp_path)
        await world.up().answer()
        before, generation = await world.running(), (await world.status())["generation"]
        await world.restart()
        after = await world.running()
        assert after["head"] == before["head"]
        assert not {after["serve"], after["web"]} & set(before.values())
        assert (await world.status())["generation"] == generation
        assert world.client.notes == [REDEPLOY.told]

    run(story())


def test_new_code_that_fails_leaves_everything_as_it_was_and_the_next_restart_mends_it(tmp_path: Path) -> None:
    async def story() -> None:
        world = Served(tmp_path)
        await world.up().answer()
        before = await world.running()
        world.fake.scripts["serve"] = FAILS
        with pytest.raises(StepFailed) as failed:
            await world.restart()
        assert "still running: head, serve, web" in failed.value.aftermath
        assert await world.running() == before
        assert (await world.status())["state"] == "ready"
        # What is wanted is there: nobody redeploys it.
        assert not (await world.ask("plan"))["start"]
        assert not world.keeper.parts.followers.supervisor.given_up
        world.fake.scripts["serve"] = WORKS
        await world.restart()
        assert (await world.running())["serve"] != before["serve"]

    run(story())


def test_with_keep_the_deployment_of_before_is_still_known_to_serve(tmp_path: Path) -> None:
    async def story() -> None:
        world = Served(tmp_path)
        await world.up().answer()
        before = await world.running()
        world.fake.scripts["serve"] = FAILS
        with pytest.raises(StepFailed):
            await world.restart(keep=True)
        assert await world.running() == before
        assert (await world.states())["serve"] == "ready"

    run(story())


def test_up_does_what_a_restart_would_where_code_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        world = Served(tmp_path)
        await world.up().answer()
        before = await world.running()
        await world.up().answer()
        assert await world.running() == before
        monkeypatch.setattr(Ways, "changed_code", lambda *_: "app.py has changed")
        assert (await world.ask("plan"))["way"]["name"] == "redeploy"
        # Another number of workers is no word about the applications.
        await world.ask("apply", workers=1, only_running=True)
        assert await world.running() == before
        await world.up().answer()
        after = await world.running()
        assert after["head"] == before["head"]
        assert after["serve"] != before["serve"]

    run(story())


def test_the_way_that_is_asked_for_is_one_that_there_is(tmp_path: Path) -> None:
    async def story() -> None:
        world = Served(tmp_path)
        await world.up().answer()
        with pytest.raises(UsageError, match="redeploy, replace, in-place"):
            await world.restart(way="sideways")
        plan = await world.ask("plan", restart=True)
        assert plan["way"]["name"] == "redeploy"
        assert plan["notes"][0] == REDEPLOY.told
        assert [step.get("behind") for step in plan["stop"]] == ["serve", "serve"]

    run(story())


def test_the_deployment_is_told_how_much_may_run_more(tmp_path: Path) -> None:
    spec, here = Spec.model_validate({"name": "shop", "serve": APPS}), site(None)
    plain = serve(spec, here)
    texts = {file.path: file.text for file in redeploying(plain, here, 100, anew=True).files}
    assert json.loads(texts[way_file(here)]) == {"redeploy": True, "surge": 100}
    assert redeploying(plain, here, 1, anew=False).fingerprint() == plain.fingerprint()
    cluster = Cluster(spec, here, (service("head"), plain, service("db", Tier.DATA), service("web")))
    goal = goal_of(REDEPLOY, cluster, frozenset({"x"}), restart=True)
    assert goal == Goal(replace_services=frozenset({"serve", "web", "x"}), serving="serve")
    assert services_of(Choice(Way.IN_PLACE), cluster, anew=True) == cluster.services
    assert services_of(REDEPLOY, cluster, anew=True) != cluster.services


def test_what_a_container_has_deployed_is_remembered_in_its_own_folder(tmp_path: Path) -> None:
    wanted = engine.spec(serve=APPS)
    site = replace(engine.site(wanted), runtime=str(tmp_path), version=2)
    cluster = Cluster(wanted, site, build(wanted, engine.site(wanted)))
    nobody: Any = None
    ways = Ways(nobody, nobody, nobody)
    assert ways.against_version(cluster, head_stays=True) == STARTED_ELSEWHERE
    Path(site.place("head")).mkdir()
    (Path(site.place("head")) / DEPLOYED).write_text(json.dumps({"head": "1", "applications": {}, "follows": True}))
    assert not ways.against_version(cluster, head_stays=True)
