"""Stopping containers and letting them go on, with an engine that answers as the real one does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from daybreak.backends.base import Handle
from daybreak.backends.docker.freezing import ContainerFreezer
from daybreak.errors import EngineError
from daybreak.services.service import Tier
from tests.unit.helpers import service


class Engine:
    """One container, which may have ended. Also what is called in a thread, and here at once."""

    def __init__(self, state: str) -> None:
        self.containers = self
        self.state = state

    async def ask(self, tell: Callable[..., None], identity: str) -> None:
        tell(self, identity)

    def pause(self, container: str) -> None:
        self._turn("running", "paused", container)

    def unpause(self, container: str) -> None:
        self._turn("paused", "running", container)

    def _turn(self, before: str, after: str, container: str) -> None:
        if self.state == "unreachable":
            raise EngineError("no engine")
        if self.state != before:
            raise EngineError(f"Container {container} is {self.state}", status=409)
        self.state = after


@pytest.mark.parametrize(
    ("state", "states"),
    [
        ("running", ["paused", "paused", "running", "running"]),
        ("exited", ["exited"] * 4),
    ],
)
def test_it_does_no_harm_to_do_it_again_or_to_what_has_ended(state: str, states: list[str]) -> None:
    engine: Any = Engine(state)
    found = []

    async def story() -> None:
        freezer, handles = made(engine)
        for what in (freezer.freeze, freezer.freeze, freezer.thaw, freezer.thaw):
            await what(handles)
            found.append(engine.state)

    asyncio.run(story())
    assert found == states


def test_an_engine_that_is_away_is_told() -> None:
    async def story() -> None:
        freezer, handles = made(Engine("unreachable"))
        await freezer.freeze(handles)

    with pytest.raises(EngineError, match="no engine"):
        asyncio.run(story())


def made(engine: Any) -> tuple[ContainerFreezer, list[Handle]]:
    async def identities(instance: str) -> list[str]:
        return [f"id-of-{instance}"]

    one = service("head", Tier.APP, "up")
    handle = Handle.started(one, "head-1", 1, {}, at_wall=1.0, pid=0, started_ticks=0, boot_id="")
    return ContainerFreezer(engine, identities), [handle]
