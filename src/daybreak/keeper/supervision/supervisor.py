"""Following what runs: a death is noticed at once, a service that stays unhealthy is replaced, with back-off.

Besides events, what is wanted is compared with what runs now and then: an event may be missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path

from daybreak.backends.base import Backend, Exit, Handle, State
from daybreak.keeper.background import Background
from daybreak.keeper.supervision.backoff import Restarts
from daybreak.keeper.supervision.health_watch import until_unhealthy
from daybreak.keeper.supervision.leftover_processes import LeftoverProcesses
from daybreak.keeper.supervision.watch_tasks import WatchTasks
from daybreak.services.service import Restart, Run, Service
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.recorder import Recorder


class Supervisor:
    """WatchTasks handles; asks for recovery through `recover(service, replace)` after the back-off.

    `replace` says that a running but unhealthy service must be started anew. In the folder `forks` the warm template
    registers what it has forked.
    """

    def __init__(
        self,
        backend: Backend,
        record: Recorder,
        background: Background,
        recover: Callable[[str, bool], Awaitable[None]],
        on_given_up: Callable[[], None] = lambda: None,
        *,
        forks: Path,
    ) -> None:
        self._backend = backend
        self._forks = forks
        self._record = record
        self._background = background
        self._on_given_up = on_given_up
        self.watches = WatchTasks()
        self._remains = LeftoverProcesses(backend, record)
        self._restarts = Restarts(record, background, recover)
        self.given_up: set[str] = set()
        # The user has stopped these: they are not brought back either.
        self.stopped: frozenset[str] = frozenset()

    @property
    def busy(self) -> AbstractSet[str]:
        """The services that something is done about, or will be after their back-off."""
        return self._remains.services | self._restarts.busy

    def sync(self, services: Sequence[Service], handles: Sequence[Handle]) -> None:
        """Watch exactly these handles, but what is given up."""
        left = self.given_up | self.stopped | {one.name for one in services if one.run is Run.TIMED}
        by_name = {service.name: service for service in services if service.name not in left}
        current = {handle.instance: handle for handle in handles if handle.service in by_name}
        self.watches.keep_only(current)
        for instance, handle in current.items():
            if instance not in self.watches:
                self._restarts.started(handle.service)
                self.watches.begin(handle, self._watch(by_name[handle.service], handle))

    def compare(self, services: Sequence[Service], handles: Sequence[Handle]) -> None:
        """See to it that everything that is wanted runs and is watched, or is on its way back."""
        there = [handle for handle in handles if handle.state is not State.BROKEN]
        running = {handle.service for handle in there}
        for service in services:
            if service.run is Run.STEADY and service.name not in running | self.given_up | self.stopped | self.busy:
                self._restarts.schedule(service.name, replace=False)
        self.sync(services, [handle for handle in there if handle.service not in self.busy])

    def follow(self, event: Event) -> None:
        """What is being stopped on purpose is not watched any more."""
        if event.kind is Kind.STOPPING and event.service:
            self.forget(event.service)

    def forget(self, service: str) -> None:
        """Stop watching."""
        self.watches.end_of(service)
        self._remains.leave(service)

    def give_up(self, services: AbstractSet[str]) -> None:
        """Leave these as they are until the user's next command."""
        self.given_up |= services
        for service in services:
            self.forget(service)

    def forgive(self) -> None:
        """A command of the user starts over: no back-off, nothing given up."""
        self._restarts.forget()
        self.given_up.clear()

    def close(self) -> None:
        self.watches.keep_only(())
        self._restarts.close()
        self._remains.close()

    def retry(self, service: str) -> None:
        """A recovery of this service failed: try again after the next back-off."""
        if service not in self.given_up | self.stopped:
            self._restarts.schedule(service, replace=False)

    def replace(self, service: str) -> None:
        """It runs, but cannot work: start it anew."""
        self._restarts.schedule(service, replace=True)

    def bring_back(self, service: str, *, after_s: float) -> None:
        """It has ended while nobody watched."""
        self._restarts.bring_back(service, after_s=after_s)

    def _watch(self, service: Service, handle: Handle) -> list[asyncio.Task[None]]:
        if handle.done:
            return []
        works: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        if handle.state is not State.COMPLETED:
            works.append(("watching for the end", partial(self._watch_end, service, handle)))
        works.append(("watching the health", partial(self._watch_health, service, handle)))
        return [self._background.keep(f"{what} of {service.name}", work, service.name) for what, work in works]

    async def _watch_end(self, service: Service, handle: Handle) -> None:
        end = await self._backend.exited(handle)
        if service.name not in self._remains.services:  # where what is left does not end this is done again
            self.watches.end(handle.instance)
            if handle.ended(clean=end.clean).done:
                self._record.emit(Kind.COMPLETED, service.name)
                return
            self._record.emit(Kind.EXITED, service.name, exit_code=end.code, reason=end.reason)
            if not _may_restart(service, end):
                self._record.emit(Kind.NOTE, service.name, text=f"not restarted: restart is {service.restart}")
                self.given_up.add(service.name)
                self._on_given_up()
        await self._remains.end(service.name, handle.left_behind())
        if service.name not in self.given_up:
            self._restarts.schedule(service.name, replace=False)

    async def _watch_health(self, service: Service, handle: Handle) -> None:
        on_short = self._background.tell_shortage
        await until_unhealthy(service, handle, self._backend, self._record, on_short, self._forks)
        self.watches.end(handle.instance)
        self._restarts.schedule(service.name, replace=True)


def _may_restart(service: Service, end: Exit) -> bool:
    match service.restart:
        case Restart.ALWAYS:
            return True
        case Restart.ON_FAILURE:
            return not end.clean
        case Restart.NEVER:
            return False
