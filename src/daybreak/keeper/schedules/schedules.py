"""Runs scheduled services at their times.

The wall clock is looked at again and again, since it may be set, and laptops sleep. Of times that have passed meanwhile
one run is made up for, at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from daybreak.errors import DaybreakError
from daybreak.keeper.background import Background
from daybreak.keeper.followers import Followers
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.schedules.book import LastRun
from daybreak.keeper.schedules.runs import ScheduledRuns
from daybreak.keeper.wanted.desired import Target
from daybreak.services.service import Schedule, Service
from daybreak.spec.cron import next_after
from daybreak.states import FINE
from daybreak.timeline.event import Event, Kind

# A clock that jumps is noticed after so long at most.
LONGEST_S = 30.0
# What could not begin since the cluster is being changed is tried again.
SOON_S = 1.0


class Schedules:
    """One cluster's."""

    def __init__(self, runs: ScheduledRuns, followers: Followers, runner: Runner, background: Background) -> None:
        self._runs = runs
        self._followers = followers
        self._runner = runner
        self._background = background
        self._changed = asyncio.Event()

    def begin(self) -> None:
        """Look at the clock from now on."""
        self._background.keep("starting scheduled services", self._look)

    def follow(self, event: Event) -> None:
        """What is wanted may have changed; what somebody ends has not failed."""
        if event.kind is Kind.STOPPING and event.service:
            self._runs.stops(event.service)
        if event.kind is Kind.RUN_ENDED:
            self._changed.set()

    async def run_now(self, names: Collection[str]) -> None:
        """Start these, for an operation that has its turn; one that runs goes on. Raises DaybreakError."""
        now = self._followers.desired.before()
        timed = self._runs.timed()
        for name in sorted(names):
            if now and name in timed and name not in self._runs.running:
                await self._runs.start(timed[name], now)

    # --- the clock ----------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        while True:
            wait_s = await self._once()
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _once(self) -> float:
        """Start what is due; returns after how many seconds to look again."""
        now, timed = self._runs.wall(), self._runs.timed()
        due, soonest = [], now + LONGEST_S
        for name in set(self._runs.book.entries) - set(timed):
            self._runs.book.entries[name].next = None  # nobody makes up for what was not wanted
        for name, service in timed.items():
            entry, following = self._runs.book.of(name), _following(service, now)
            if entry.next is not None and entry.next <= now:
                due.append(name)
                soonest = min(soonest, now + SOON_S)
            elif entry.next != following:
                entry.next = following
                self._runs.book.save()
            soonest = min(soonest, following)
        if due and not self._runner.busy and (target := self._followers.desired.before()):
            for name in due:
                await self._due(timed[name], target)
                self._runs.book.of(name).next = _following(timed[name], self._runs.wall())
            self._runs.book.save()
        return max(0.0, soonest - now) + 0.01

    async def _due(self, service: Service, target: Target) -> None:
        """Its time has come. A run that fails to begin is told, and the next one is another try."""
        name = service.name
        if name in target.state.stopped:
            return
        if name in self._runs.running:
            self._runs.note(name, "skipped: the run before still goes on", "warning")
            return
        if lacking := self._lacking(service):
            self._runs.ended(name, LastRun(self._runs.wall()), None, f"skipped: it needs {lacking}")
            return
        operation = Operation("schedule")

        async def work(operation: Operation) -> None:
            async with self._runner.turn(operation):
                await self._runs.start(service, target)

        operation.start(work)
        try:
            await operation.answer()
        except DaybreakError as error:
            self._runs.ended(name, LastRun(self._runs.wall()), None, f"not started: {error.message}")

    def _lacking(self, service: Service) -> str:
        rows, stopped = self._followers.board.rows, self._followers.supervisor.stopped
        lacking = [n.service for n in service.needs if n.service not in rows or rows[n.service].state not in FINE]
        told = (f"{name}, which is {'stopped' if name in stopped else rows[name].state}" for name in lacking)
        return ", ".join(told)


def _following(service: Service, now: float) -> float:
    schedule = service.schedule or Schedule("@yearly")
    return next_after(schedule.cron, schedule.timezone, now)
