"""Runs of scheduled services: begun, followed to their ends, and told."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from daybreak.backends.base import Backend, Exit, Handle, State
from daybreak.keeper.background import Background
from daybreak.keeper.followers import Followers
from daybreak.keeper.schedules.book import STOPPED, LastRun, ScheduleBook
from daybreak.keeper.schedules.rows import scheduled
from daybreak.keeper.wanted.desired import Target
from daybreak.services.service import Run, Service
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder
from daybreak.timeline.status import ServiceStatus


class ScheduledRuns:
    """One cluster's. `wall` is the clock."""

    def __init__(
        self,
        book: ScheduleBook,
        backend: Backend,
        followers: Followers,
        record: Recorder,
        background: Background,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.book = book
        self.wall = wall
        self._backend = backend
        self._followers = followers
        self._record = record
        self._background = background
        self.running: dict[str, Handle] = {}
        self._stopped: set[str] = set()

    def timed(self) -> dict[str, Service]:
        """The scheduled services by name; none where nothing is wanted."""
        cluster = self._followers.desired.cluster
        return {one.name: one for one in cluster.services if one.run is Run.TIMED} if cluster else {}

    def stops(self, service: str) -> None:
        """A run of it is being ended on purpose."""
        if service in self.running:
            self._stopped.add(self.running[service].instance)

    async def adopt(self, handles: Sequence[Handle]) -> None:
        """Go on with what an earlier keeper has started."""
        here = {handle.service: handle for handle in handles if handle.service in self.timed()}
        for name, entry in self.book.entries.items():
            handle, last = here.get(name), entry.last
            if last and last.ended is None and (handle is None or handle.instance != last.instance):
                self.ended(name, last, None, "ended while no keeper watched")
        for name, handle in here.items():
            if name not in self.running:
                self._watch(handle, self.book.of(name).last or LastRun(handle.started_wall, handle.instance))

    def rows(self, rows: Iterable[ServiceStatus]) -> list[ServiceStatus]:
        """With what is known of the scheduled ones, but those that the user has stopped."""
        timed, stopped = self.timed(), self._followers.supervisor.stopped
        return [
            scheduled(row, self.book.of(row.name), schedule, self.wall())
            if row.name in timed and row.name not in stopped and (schedule := timed[row.name].schedule)
            else row
            for row in rows
        ]

    def failed(self) -> dict[str, str]:
        """The services whose last run has failed, with how."""
        timed = self.timed()
        return {
            name: entry.last.told()
            for name, entry in self.book.entries.items()
            if name in timed and entry.last and entry.last.failed
        }

    async def start(self, service: Service, target: Target) -> None:
        there = {handle.service: handle.instance for handle in await self._backend.observe()}
        bound = {name: there[name] for name in service.bound_to() if name in there}
        instance, generation = uuid.uuid4().hex[:12], target.state.generation
        last = LastRun(self.wall(), instance)
        handle = await self._backend.start(service, instance=instance, generation=generation, bound=bound)
        self.note(service.name, "a run has begun")
        self._watch(handle, last)

    def _watch(self, handle: Handle, last: LastRun) -> None:
        name = handle.service
        self.running[name] = handle
        self.book.of(name).last = last
        self.book.save()
        self._background.keep(f"following a run of {name}", partial(self._until_end, handle, last), name)

    async def _until_end(self, handle: Handle, last: LastRun) -> None:
        """What is left of it ends with it, and is no instance any more."""
        done, limit_s = handle.state is State.COMPLETED, self._limit_s(handle.service)
        try:
            async with asyncio.timeout(limit_s and max(0.0, last.began + limit_s - self.wall())):
                end = None if done else await self._backend.exited(handle)
        except TimeoutError:
            end = Exit(None, f"ended: it took longer than {limit_s:g} s")
            await self._backend.stop(handle)
        self.running.pop(handle.service, None)
        if handle.instance in self._stopped:
            self._stopped.discard(handle.instance)
            self.ended(handle.service, last, None, STOPPED)
        else:
            self.ended(handle.service, last, 0 if end is None else end.code, end.reason if end else "")
        await self._backend.stop(handle)

    def _limit_s(self, name: str) -> float | None:
        service = self.timed().get(name)
        return service.schedule.timeout_s if service and service.schedule else None

    def ended(self, name: str, last: LastRun, code: int | None, reason: str) -> None:
        run = LastRun(last.began, last.instance, self.wall(), code, reason)
        self.book.of(name).last = run
        self.book.save()
        skipped = not run.instance
        told = reason if skipped else f"a run has ended: {run.told()}"
        self.note(name, told, "error" if run.failed else "info")

    def note(self, name: str, text: str, level: str = "info") -> None:
        self._record.emit(Kind.NOTE, name, text=text, level=level)
