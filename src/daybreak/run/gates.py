"""The gates of a run's services: each is passed, or it never will be."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from daybreak.errors import DaybreakError
from daybreak.services.service import STARTED, Need, Service


class Blocked(DaybreakError):
    """A needed service failed; its own error tells the story, so this one is not reported."""


class Gates:
    """A future for every gate of every service that a run starts or proves; None stands for the last one, ready."""

    def __init__(self, services: Iterable[Service]) -> None:
        loop = asyncio.get_running_loop()
        self._futures: dict[tuple[str, str | None], asyncio.Future[bool]] = {
            (service.name, gate): loop.create_future()
            for service in services
            for gate in (STARTED, *(gate.name for gate in service.gates), None)
        }

    def await_also(self, names: Iterable[str]) -> None:
        """What is no service can be waited for as well."""
        for name in names:
            self._futures[name, None] = asyncio.get_running_loop().create_future()

    def passed(self, service: str, gate: str | None) -> None:
        self._set(self._futures[service, gate], True)

    def close(self, service: str) -> None:
        """What is not passed by now never will be."""
        for (name, _), future in self._futures.items():
            if name == service:
                self._set(future, False)

    def open_needs(self, service: Service) -> list[Need]:
        """The needs that are still to be waited for."""
        return [need for need in service.needs if not self._of(need).done()]

    async def wait(self, service: Service, there: Collection[str]) -> str | None:
        """Wait for every need; returns the one that was met last, None where none was waited for.

        `there` are the services that run or were started. Raises Blocked as soon as one cannot be met any more.
        """
        last = None
        self._require(service, there)
        while waiting := {self._of(need): str(need) for need in self.open_needs(service)}:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            last = waiting[done.pop()]
            self._require(service, there)
        return last

    async def becomes_ready(self, service: str) -> bool:
        """Wait until a service is ready, or never will be; True at once where it is not being started."""
        future = self._futures.get((service, None))
        if future is None:
            return True
        await asyncio.wait({future})
        return future.result()

    def _require(self, service: Service, there: Collection[str]) -> None:
        for need in service.needs:
            future = self._futures.get((need.service, need.gate))
            absent = future is None and need.service not in there
            closed = future is not None and future.done() and not future.result()
            if not need.order_only and (absent or closed):
                raise Blocked(f"not started: it needs {need}, which failed")

    def _of(self, need: Need) -> asyncio.Future[bool]:
        """The gate's future; one that is passed where the service is not being started (it runs, or is not there)."""
        return self._futures.get((need.service, need.gate)) or _passed()

    @staticmethod
    def _set(future: asyncio.Future[bool], value: bool) -> None:
        if not future.done():
            future.set_result(value)


def _passed() -> asyncio.Future[bool]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(True)
    return future
