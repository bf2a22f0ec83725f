"""Stopping containers in the midst of what they do, and letting them go on: the engine freezes their control groups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from daybreak.backends.base import Handle
from daybreak.backends.docker.in_threads import Calls
from daybreak.docker.api import EngineClient, is_conflict, is_gone
from daybreak.errors import EngineError

# The ids of an instance's containers.
Identities = Callable[[str], Awaitable[list[str]]]


class ContainerFreezer:
    """One cluster's. Every method raises EngineError where the engine cannot be reached, or refuses."""

    def __init__(self, calls: Calls, identities: Identities) -> None:
        self._calls = calls
        self._identities = identities

    async def freeze(self, handles: Sequence[Handle]) -> None:
        """Stop every process of these; again does no harm."""
        await self._each(handles, _pause)

    async def thaw(self, handles: Sequence[Handle]) -> None:
        """Let every process of these go on."""
        await self._each(handles, _unpause)

    async def _each(self, handles: Sequence[Handle], tell: Callable[[EngineClient, str], None]) -> None:
        for handle in handles:
            for identity in await self._identities(handle.instance):
                await self._calls.ask(tell, identity)


def _pause(client: EngineClient, container: str) -> None:
    try:
        client.containers.pause(container)
    except EngineError as error:
        _unless_so(error)


def _unpause(client: EngineClient, container: str) -> None:
    try:
        client.containers.unpause(container)
    except EngineError as error:
        _unless_so(error)


def _unless_so(error: EngineError) -> None:
    """It is so already, or has ended: who looks for it finds that."""
    if not is_conflict(error) and not is_gone(error):
        raise error
