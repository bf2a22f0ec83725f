"""Lanes: services that start in turns."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from daybreak.services.service import Lane, Service


class _Turns:
    """One lane: its places, and the service that left it last."""

    def __init__(self, width: int) -> None:
        self.places = asyncio.Semaphore(width)
        self.left: str | None = None


class Lanes:
    """The lanes of one run."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, _Turns] = {}

    @contextlib.asynccontextmanager
    async def turn(self, service: Service, on_wait: Callable[[], None]) -> AsyncIterator[str | None]:
        """Wait for a place in the service's lane; the value is who left it, None where one was free."""
        if service.lane is None:
            yield None
            return
        turns = self._lanes.setdefault(service.lane, _Turns(service.lane.width))
        waits = turns.places.locked()
        if waits:
            on_wait()
        async with turns.places:
            yield turns.left if waits else None
            turns.left = service.name
