"""What people ask of the gateway, as the keeper takes it: what is kept, what `status` says, and what is refused."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import NotRunning, PreflightError, UsageError
from daybreak.services.service import Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from tests.unit.helpers import service
from tests.unit.keeper.world import FakeClient, World, spec
from tests.unit.keeper.world import built as without_gateway

PAGE = {"content_type": "text/html", "content": base64.b64encode(b"sorry").decode()}


def with_gateway(spec: Spec, site: Site) -> tuple[Service, ...]:
    return (service("gateway", Tier.EDGE, "up"), *without_gateway(spec, site))


class Gated(World):
    """It has a gateway that takes no commands."""

    built = staticmethod(with_gateway)


def test_a_pause_outlives_the_keeper_and_ends_with_down(tmp_path: Path) -> None:
    async def story() -> None:
        world, client = Gated(tmp_path), FakeClient()
        await world.up().answer()
        assert (await world.status())["pause"] is None
        await world.begin("pause", client, page=PAGE).answer()
        assert client.notes == ["the gateway cannot be told now: it will be as soon as it answers"]
        first = (await world.status())["pause"]
        assert first["page"] is True
        await world.ask("pause")
        assert (await world.status())["pause"] == {"since": first["since"], "page": False}
        world.keeper.close()
        world.again()
        await world.keeper.adopt()
        done = await world.up(spec={"env": "new"}).answer()
        assert done["status"]["pause"]["since"] == first["since"]
        await world.ask("down")
        assert (await world.status())["pause"] is None
        assert not world.paths.pause.exists()
        world.keeper.close()

    asyncio.run(story())


def test_resume_ends_it_and_without_one_does_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        world, client = Gated(tmp_path), FakeClient()
        await world.up().answer()
        await world.ask("pause")
        done = await world.ask("resume")
        assert done["status"]["pause"] is None
        await world.begin("resume", client).answer()
        assert client.notes == ["it was not paused"]
        world.keeper.close()

    asyncio.run(story())


def test_without_a_gateway_any_more_nothing_is_said_to_wait(tmp_path: Path) -> None:
    async def story() -> None:
        world = Gated(tmp_path)
        await world.up().answer()
        await world.ask("pause")
        world.keeper.close()
        world.built = staticmethod(without_gateway)
        world.again()
        await world.keeper.adopt()
        assert (await world.status())["pause"] is None
        assert (await world.ask("resume"))["status"]["pause"] is None
        assert not world.paths.pause.exists()
        world.keeper.close()

    asyncio.run(story())


def test_what_does_not_run_is_not_paused(tmp_path: Path) -> None:
    async def story() -> None:
        world = Gated(tmp_path)
        for op in ("pause", "resume"):
            with pytest.raises(NotRunning):
                await world.ask(op)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("written", "why", "kind"),
    [
        ({}, "the spec has no applications", UsageError),
        ({"serve": {"applications": [{"import": "app:main"}]}, "gateway": False}, "gateway: false", UsageError),
        ({"serve": {"applications": [{"import": "app:main"}]}}, "was started without one", PreflightError),
    ],
)
def test_without_a_gateway_it_says_why_there_is_none(
    written: dict[str, Any], why: str, kind: type[Exception], tmp_path: Path
) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.begin("apply", spec=spec() | written, base=str(tmp_path)).answer()
        with pytest.raises(kind, match=why):
            await world.ask("pause")
        assert not world.paths.pause.exists()
        world.keeper.close()

    asyncio.run(story())


def test_https_without_a_gateway_is_refused_and_nothing_starts(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        files = {"certificate": "cert.pem", "key": "key.pem"}
        written = spec() | {"serve": {"applications": [{"import": "app:main"}]}, "tls": files}
        with pytest.raises(PreflightError, match="tls needs the gateway, and there is none"):
            await world.begin("apply", spec=written, base=str(tmp_path)).answer()
        assert await world.running() == {}

    asyncio.run(story())
