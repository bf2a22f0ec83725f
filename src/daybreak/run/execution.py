"""Carrying out one plan: every step is a task, and what a service needs orders them."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Any

from daybreak.backends.base import Backend, Handle
from daybreak.errors import DaybreakError, ServiceDied
from daybreak.run import settling
from daybreak.run.change import Change, Result
from daybreak.run.ending import Ending
from daybreak.run.failures import Failures
from daybreak.run.gates import Blocked, Gates
from daybreak.run.handover import Stages
from daybreak.run.lanes import Lanes
from daybreak.run.plan import DRAINED, SWITCHED, Plan, Start, Stop
from daybreak.run.readiness import Readiness
from daybreak.run.uninterrupted import uninterrupted
from daybreak.services.service import Service, Tier
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder


class Execution:
    """One plan being carried out."""

    def __init__(
        self,
        steps: Plan,
        change: Change,
        backend: Backend,
        record: Recorder,
        logs: Path,
        stages: Stages | None = None,
    ) -> None:
        self.result = Result(steps)
        self._steps = steps
        self._change = change
        self._backend = backend
        self._record = record
        self._handles = {handle.service: handle for handle in steps.keep}
        kept = [service for service in change.services if service.name in self._handles]
        self._confirm = [s for s in kept if s.name in change.unproven or (s.settle and settling.is_due(s.settle))]
        self._gates = Gates([*(step.service for step in steps.start), *self._confirm])
        self._gates.await_also((SWITCHED, DRAINED) if stages else ())
        self._stages = stages
        self._lanes = Lanes()
        self._ending = Ending(steps, backend, record)
        self._readiness = Readiness(backend, record, logs, self._gates)
        self._services = {service.name: service for service in change.services}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failures = Failures(
            self._services, self._tasks, self._gates, self._readiness, record, logs, self.result.failures
        )
        self._begun: dict[str, Handle] = {}
        # What was to be replaced, and goes on: that which was to be ready before has failed.
        self._left: set[str] = set()
        # Found running, but not proven to be well: none of this run's, unless it turns out to be of no use.
        self._unproven: dict[str, Handle] = {}

    async def run(self) -> None:
        """Carry out every step; failures are collected, the first one cancels the rest unless they are kept."""
        try:
            # Before anything is stopped: where that fails nothing has changed.
            goes_on = [service for service in self._confirm if service.name not in self._change.unproven]
            await settling.bring_up_to_date(goes_on, self._readiness, self.failures)
            async with asyncio.TaskGroup() as group:
                for stop in self._steps.stop:
                    group.create_task(self._stop(stop), name=f"stop {stop.handle.service}")
                works = [(step.service, partial(self._start, step)) for step in self._steps.start]
                works += [(service, partial(self._prove, service)) for service in self._confirm]
                if self._stages:
                    handover = self._stages.hand_over(self._steps.start, self._gates, self.result.started)
                    group.create_task(handover, name="replace the generation")
                for service, work in works:
                    task = group.create_task(self._tell(service, work), name=f"start {service.name}")
                    self._tasks[service.name] = task
        except* DaybreakError as errors:
            self.result.failures += [e for e in _leaves(errors) if e not in self.result.failures]

    async def undo(self, why: str, but: AbstractSet[str] = frozenset()) -> list[str]:
        """Take down everything that this run started, but the instances in `but`; what it only found stays.

        Returns what could not be ended, each with its reason.
        """
        if self._stages:
            await self._stages.switch_back()
        useless = [
            handle
            for name, handle in self._unproven.items()
            if name in self.failures and handle.tier != Tier.DATA  # a database may just take its time
        ]
        handles = [handle for handle in self.result.started if handle.instance not in but] + useless
        return await self._ending.end_all(handles, why)

    def wanted_before(self) -> frozenset[str]:
        """The instances started by this run that are just what was wanted before it, and have not failed."""
        known = {service.name: (service.fingerprint(), service.slot) for service in self._change.before}
        return frozenset(
            handle.instance
            for handle in self.result.started
            if known.get(handle.service) == (handle.fingerprint, handle.slot) and handle.service not in self.failures
        )

    async def retire(self) -> None:
        """There is no way back: end what was replaced."""
        await self._ending.retire()

    # --- one service --------------------------------------------------------------------------------------------------

    async def _stop(self, step: Stop) -> None:
        """What does not end is a failure of the run; it keeps nothing else from ending, or from coming back."""
        if step.behind and not await self._gates.becomes_ready(step.behind):
            self._left.add(step.handle.service)
            self._ending.leave(step)
            return
        try:
            await self._ending.carry_out(step)
        except DaybreakError as error:
            if self._steps.start and not self._change.keep_on_failure:
                raise
            self.result.failures.append(error)

    async def _start(self, step: Start) -> None:
        service = step.service
        await self._ending.until_ended(step.after, own=service.name)
        if step.behind and not await self._gates.becomes_ready(step.behind):
            raise Blocked("not started: the new generation does not serve")
        if service.name in self._left and step.after:
            self._gates.close(service.name)
            return
        began = self._record.elapsed_s()
        if needs := self._gates.open_needs(service):
            self._record.emit(Kind.WAITING, service.name, **{"for": list(map(str, needs))})
        last_need = await self._gates.wait(service, self._handles)

        def waits() -> None:
            self._record.emit(Kind.WAITING, service.name, **{"for": ["a turn"]})

        async with self._lanes.turn(service, waits) as before:
            await self._readiness.prepare(service)
            waited_s = self._record.elapsed_s() - began
            handle = await self._launch(step, waited_s=waited_s, last_need=before or last_need)
            await self._until_ready(service, handle)

    async def _launch(self, step: Start, **details: Any) -> Handle:
        service = step.service.coming_back() if step.instance else step.service
        instance = step.instance or uuid.uuid4().hex[:12]
        bound = {name: self._handles[name].instance for name in service.bound_to() if name in self._handles}
        handle = await self._backend.start(service, instance=instance, generation=self._change.generation, bound=bound)
        self.result.started.append(handle)
        self._handles[service.name] = self._begun[service.name] = handle
        self._record.emit(Kind.STARTING, service.name, why=step.why, instance=instance, **details)
        return handle

    async def _prove(self, service: Service) -> None:
        """Wait until a kept service is ready that nobody has seen ready before, or since what it outlives was away, or
        of which something else is wanted now."""
        handle = self._handles[service.name]
        if service.name in self._change.unproven:
            self._unproven[service.name] = self._begun[service.name] = handle
        await self._readiness.settle(service)
        for name in filter(service.outlives, self._steps.coming_back):
            if not await self._gates.becomes_ready(name):
                raise Blocked(f"it needs {name}, which does not come back")
        await self._until_ready(service, handle)

    async def _until_ready(self, service: Service, handle: Handle) -> None:
        async with self._sharing_fate(service):
            await self._readiness.wait(service, handle)

    @contextlib.asynccontextmanager
    async def _sharing_fate(self, service: Service) -> AsyncIterator[None]:
        """Meanwhile the end of what the service is bound to is noticed, also where that was ready long ago."""
        needed = [self._handles[name] for name in service.bound_to() if name in self._handles]
        watching = [asyncio.ensure_future(self._until_lost(handle)) for handle in needed if not handle.one_shot]
        try:
            yield
        finally:
            for watch in watching:
                watch.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def _until_lost(self, handle: Handle) -> None:
        end = await self._backend.exited(handle)
        needed = self._services.get(handle.service)
        starting = self._tasks.get(handle.service)
        # While it starts it is waited for anyway.
        if needed and (starting is None or starting.done()):
            self.failures.add(needed, self._readiness.death(needed, end))

    # --- failures -----------------------------------------------------------------------------------------------------

    async def _tell(self, service: Service, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do the work that makes a service ready; where it fails, the user and those that need it are told."""
        try:
            await work()
        except DaybreakError as error:
            self.failures.add(service, error)
            if isinstance(error, ServiceDied):
                # Half of it may live on: a `ray start` waits long for a raylet that has died.
                await self._end(service, f"{service.name} failed")
        except asyncio.CancelledError:
            self._gates.close(service.name)
            culprit = self.failures.culprit_of(service)
            if culprit is None:
                raise
            await self._cut_off(service, culprit)
        if self.result.failures and not self._change.keep_on_failure:
            raise self.result.failures[0]

    async def _cut_off(self, service: Service, culprit: str) -> None:
        """What hangs on something that has failed is ended at once: nothing can become of it."""
        begun = service.name in self._begun
        self.failures.add(service, Blocked(f"{'ended' if begun else 'not started'}: it needs {culprit}, which failed"))
        await self._end(service, f"{culprit} failed")

    async def _end(self, service: Service, why: str) -> None:
        """End what is left of it now; where everything is undone that is done in its order."""
        handle = self._begun.get(service.name)
        if handle and self._change.keep_on_failure:
            with contextlib.suppress(DaybreakError):  # it was told, and stays in the status
                await uninterrupted(self._ending.end(handle.left_behind(), why))


def _leaves(group: BaseExceptionGroup[DaybreakError]) -> list[DaybreakError]:
    found: list[DaybreakError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
