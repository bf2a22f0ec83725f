"""Versions in a whole keeper on a fake backend: kept when all went well, returned to on request and after a failure."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.errors import PreflightError, StepFailed, UsageError
from daybreak.keeper.planning.restart_facts import Ways
from daybreak.run.restart_way import Choice, Way
from daybreak.services.service import ConfigFile, Gate, HealthPolicy, Need, Service, TcpCheck, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.states import Stage
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.keeper.world import FakeClient, World, spec
from tests.unit.services.test_serving import RAY, site

pytestmark = pytest.mark.usefixtures("threads_take_no_time")

APPS = {"serve": {"applications": [{"import": "app:main"}]}}
AT = {"http": {"host": "127.0.0.1", "port": 8000}}
WORKS, FAILS = Script(exits_after_s=1.0), Script(exits_after_s=3.0, code=1)


def built(spec: Spec, _: Site) -> tuple[Service, ...]:
    """A head, and what is deployed on it; it tells when Serve was told, which is at once."""
    head = service("head", Tier.APP, "up", env=dict(spec.head.env))
    told = Gate(Stage.SUBMITTED, service("x", Tier.APP, "told").gates[0].check)
    deployment = service("serve", Tier.APP, needs=(Need("head", bind=True),), one_shot=True, start_timeout_s=9.0)
    asked = ConfigFile("x/serve-request.json", json.dumps({"config": None, "applications": [], **AT}))
    changes = {"gates": (told,), "health": HealthPolicy(TcpCheck("x", 1)), "files": (asked,)}
    return (head, Service(**{**vars(deployment), **changes}))


class Served(World):
    """A world with an application in its folder, and what replicas that start would import."""

    def __init__(self, folder: Path, *, way: Way = Way.REDEPLOY) -> None:
        super().__init__(folder, serve=WORKS)
        self.keeper.parts.followers.desired._build = built
        self.client = FakeClient()
        self.way, self.ray = way, RAY
        self.folder = folder / "app"
        self.folder.mkdir()
        self.started_serve(follows=True)
        self.write("1")

    def _survey(self, *_: Any, version: int | None = None, **__: Any) -> Site:
        folders = {name: str(self.folder) for name in ("runtime", "logs", "data", "secrets_folder")}
        places = {"base": str(self.folder), "root": str(self.paths.root), **folders}
        return site(None, ray=self.ray, version=version, **places)

    def write(self, version: str) -> None:
        (self.folder / "app.py").write_text(f"VERSION = {version}\n")

    def started_serve(self, *, follows: bool) -> None:
        """As the deployment that has started Serve notes it."""
        noted: dict[str, Any] = {"head": "n1", "applications": {}, "proxy_options": None, "follows": follows}
        (self.folder / "serve-deployed.json").write_text(json.dumps(noted))

    async def up(self, **fields: Any) -> Any:  # type: ignore[override]
        values = {"spec": {**spec(env=fields.pop("env", "")), **APPS}, "base": str(self.folder), **fields}
        return await self.begin("apply", self.client, **values).answer()

    async def restart(self, **fields: Any) -> Any:
        return await self.up(restart=True, keep_workers=True, **fields)

    async def back(self, version: int | None = None) -> Any:
        return await self.begin("rollback", self.client, version=version).answer()

    @property
    def imported(self) -> str:
        """What a replica that starts now would find, by the folder's link; the spec's folder comes next."""
        link = self.paths.code / "a" / "app.py"
        return (link if link.exists() else self.folder / "app.py").read_text().strip().rpartition(" ")[2]

    async def version(self) -> tuple[int | None, bool]:
        found = (await self.status())["version"]
        return (found["number"], found["rolled_back"]) if found else (None, False)

    async def numbers(self) -> list[int]:
        return [one["number"] for one in (await self.ask("versions"))["versions"]]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    made = Served(tmp_path)

    async def choose(*_: object, **__: object) -> Choice:
        return Choice(made.way, "so", 100)

    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr(Ways, "choose", choose)
    monkeypatch.setattr(Ways, "of_change", nothing)
    monkeypatch.setattr(Ways, "changed_code", lambda *_: "")
    monkeypatch.setattr("daybreak.keeper.operations.apply.vet", nothing)
    return made


def test_each_good_deployment_is_kept_once(world: Served) -> None:
    async def story() -> None:
        done = await world.up()
        assert done["status"]["version"] == {"number": 1, "rolled_back": False}
        await world.restart()
        assert await world.numbers() == [1], "nothing differs"
        world.write("2")
        await world.restart()
        assert await world.numbers() == [2, 1]
        told = (await world.ask("versions"))["versions"][0]
        assert (told["changed"], told["how"], told["serves"]) == (["app.py"], "redeploy", True)
        assert "environment" not in told

    run(story())


def test_rollback_deploys_the_version_before_and_the_next_restart_the_folder(world: Served) -> None:
    async def story() -> None:
        await world.up()
        world.write("2")
        await world.restart()
        before = await world.running()
        await world.back()
        assert (world.imported, await world.version()) == ("1", (1, True))
        assert (world.folder / "app.py").read_text() == "VERSION = 2\n"
        after = await world.running()
        assert (after["head"], after["serve"] == before["serve"]) == (before["head"], False)
        await world.restart()
        assert (world.imported, await world.version()) == ("2", (2, False))

    run(story())


def test_up_leaves_a_version_alone_until_the_folder_has_changed(world: Served) -> None:
    async def story() -> None:
        await world.up()
        world.write("2")
        await world.restart()
        await world.back()
        before = await world.running()
        await world.up()
        assert (world.imported, await world.running()) == ("1", before)
        assert "version 1 is deployed" in " ".join(world.client.notes)
        await world.up(env="new")
        assert (world.imported, (await world.version())[1]) == ("2", False)

    run(story())


def test_a_later_keeper_knows_what_is_deployed(world: Served) -> None:
    async def story() -> None:
        await world.up()
        world.write("2")
        await world.restart()
        await world.back()
        os.unlink(world.paths.code / "a")
        world.again()
        world.keeper.parts.followers.desired._build = built
        await world.keeper.adopt()
        assert (world.imported, await world.version()) == ("1", (1, True))

    run(story())


def test_what_serve_was_told_in_vain_is_told_again_as_it_was(world: Served) -> None:
    async def story() -> None:
        await world.up()
        head = (await world.running())["head"]
        world.write("2")
        world.fake.scripts["serve"] = FAILS
        later = world.begin("apply", world.client, restart=True, keep_workers=True)

        while world.fake.log.count("start serve") < 2:
            await asyncio.sleep(0.5)
        world.fake.scripts["serve"] = WORKS
        with pytest.raises(StepFailed):
            await later.answer()
        assert (world.imported, await world.version()) == ("1", (1, True))
        assert world.fake.log.count("start serve") == 3
        assert (await world.running())["head"] == head
        assert await world.numbers() == [1], "what has failed is no version"
        world.write("3")
        await world.up()
        assert (world.imported, await world.version()) == ("3", (2, False))

    run(story())


def test_a_version_that_there_is_not(world: Served) -> None:
    async def story() -> None:
        await world.up()
        before = world.imported, await world.running()
        with pytest.raises(UsageError, match="no version 7") as refused:
            await world.back(7)
        assert "it has 1" in (refused.value.hint or "")
        with pytest.raises(UsageError, match="no version before 1"):
            await world.back()
        assert (world.imported, await world.running()) == before

    run(story())


@pytest.mark.parametrize("way", [Way.REDEPLOY, Way.IN_PLACE])
def test_where_a_job_cannot_name_folders_nothing_is_touched(world: Served, way: Way) -> None:
    async def story() -> None:
        world.ray, world.way = replace(RAY, code_folders=False), way
        await world.up()
        world.write("2")
        await world.restart()
        before = await world.running()
        with pytest.raises(PreflightError, match=r"version 1 cannot be deployed.*nothing was changed") as refused:
            await world.back()
        assert "put it into the folder" in (refused.value.hint or "")
        assert (world.imported, await world.running(), await world.version()) == ("2", before, (2, False))

    run(story())


def test_where_another_daybreak_has_started_serve_a_head_of_its_own_is_needed(world: Served) -> None:
    async def story() -> None:
        await world.up()
        world.write("2")
        await world.restart()
        world.started_serve(follows=False)
        with pytest.raises(PreflightError, match="started by another daybreak"):
            await world.back()
        assert (world.imported, await world.version()) == ("2", (2, False))
        world.way = Way.IN_PLACE
        await world.back()
        assert (world.imported, await world.version()) == ("1", (1, True))

    run(story())


def test_what_would_be_the_folders_code_is_not_called_the_version_before(world: Served) -> None:
    async def story() -> None:
        await world.up()
        world.started_serve(follows=False)
        world.write("2")
        world.fake.scripts["serve"] = FAILS
        with pytest.raises(StepFailed):
            await world.restart()
        assert "version 1 is not deployed again: Serve was started by" in " ".join(world.client.notes)
        assert (world.imported, await world.version()) == ("2", (1, False))

    run(story())
