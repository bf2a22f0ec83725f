"""The story: observe, plan, execute, record.

`up`, `scale`, `restart`, `down` and crash recovery all come through `reconcile`: it makes what runs equal to what is
wanted. What is independent runs together; a failure cancels its siblings and takes down what this run had started,
unless the caller asked to keep it.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from daybreak.backends.base import Backend, Exit, Handle
from daybreak.errors import DaybreakError, Interrupted, ServiceDied, StepFailed, WaitError
from daybreak.health.checks import Verdict, attempt
from daybreak.health.tail import complaint, last_words, sizes
from daybreak.health.wait import Subject, died, wait_until
from daybreak.paths import SECRETS
from daybreak.plan import Goal, Plan, Start, Stop, plan
from daybreak.redact import Redaction
from daybreak.services.base import STARTED, DeployCheck, Gate, Lane, Need, Prepare, Service, Tier, log_path
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

PREPARE_TIMEOUT_S = 120.0
ONE_SHOT_END_S = 15.0


@dataclass(frozen=True)
class Wanted:
    """What a run is to reach: the services, what to replace beyond the difference, and what to do on failure.

    `unproven` names services that may be running but were never seen ready: where one is kept, its gates are waited
    for as if this run had started it. `before` are the services that were wanted until now, none where nothing was: a
    failure leaves those that this run has started just as they were wanted.
    """

    services: Sequence[Service]
    goal: Goal = Goal()
    keep_on_failure: bool = False
    generation: int = 1
    unproven: frozenset[str] = frozenset()
    before: Sequence[Service] = ()


@dataclass
class Result:
    """What a run did."""

    plan: Plan
    started: list[Handle] = field(default_factory=list)
    failures: list[DaybreakError] = field(default_factory=list)


Preflight = Callable[[Plan], None]
# Databases end after what uses them, and the template after its forks: a raylet waits long for agents that lose theirs.
_UNDO_ORDER = (frozenset(Tier) - {Tier.DATA, Tier.WARM}, frozenset([Tier.DATA]), frozenset([Tier.WARM]))


async def reconcile(
    wanted: Wanted, backend: Backend, record: Recorder, logs: Path, *, preflight: Preflight | None = None
) -> Result:
    """Make what runs equal to what is wanted.

    Raises StepFailed where a service failed, PreflightError before anything was touched, Interrupted when cancelled.
    """
    observed = await backend.observe()
    steps = plan(wanted.services, observed, wanted.goal)
    record.emit(
        Kind.PLANNED,
        stop=[step.handle.service for step in steps.stop],
        start=[step.service.name for step in steps.start],
        keep=[handle.service for handle in steps.keep],
    )
    if preflight:
        preflight(steps)
    execution = _Execution(steps, wanted, backend, record, logs)
    try:
        await execution.run()
    except asyncio.CancelledError:
        await _uninterrupted(execution.undo("interrupted"))
        raise Interrupted("interrupted; what this run had started was taken down again") from None
    except BaseException:
        await _uninterrupted(execution.undo("daybreak itself failed"))
        raise
    failures = execution.result.failures
    if failures:
        if not wanted.keep_on_failure:
            await _uninterrupted(execution.undo(f"{_culprits(failures)} failed", but=execution.wanted_before()))
        raise StepFailed(failures)
    return execution.result


async def _uninterrupted(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to the end even when cancelled once more: a second Ctrl-C must not leave processes behind."""
    task = asyncio.ensure_future(coroutine)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
    task.result()


class _Blocked(DaybreakError):
    """A needed service failed; its own error tells the story, so this one is not reported."""


class _Turns:
    """One lane: its places, and the service that left it last."""

    def __init__(self, width: int) -> None:
        self.places = asyncio.Semaphore(width)
        self.left: str | None = None


class _Execution:
    """One plan being carried out. Gates are futures: passed (True) or never to be passed (False)."""

    def __init__(self, steps: Plan, wanted: Wanted, backend: Backend, record: Recorder, logs: Path) -> None:
        self._steps = steps
        self._wanted = wanted
        self._backend = backend
        self._record = record
        self._logs = logs
        self._redact = Redaction(logs.parent / SECRETS)
        self.result = Result(steps)
        self._stopped = {step.handle.instance: asyncio.Event() for step in steps.stop}
        self._gates: dict[tuple[str, str | None], asyncio.Future[bool]] = {}
        self._handles = {handle.service: handle for handle in steps.keep}
        self._lanes: dict[Lane, _Turns] = {}
        self._failed: set[str] = set()
        # Found running, but not proven to be well: none of this run's, unless it turns out to be of no use.
        self._unproven: dict[str, Handle] = {}
        self._logs_before: dict[str, dict[str, int]] = {}
        self._confirm = [s for s in wanted.services if s.name in self._handles and s.name in wanted.unproven]
        loop = asyncio.get_running_loop()
        for service in (*(step.service for step in steps.start), *self._confirm):
            for gate in (STARTED, *(gate.name for gate in service.gates), None):
                self._gates[service.name, gate] = loop.create_future()

    async def run(self) -> None:
        """Carry out every step; failures are collected, the first one cancels the rest unless they are kept."""
        try:
            async with asyncio.TaskGroup() as group:
                for stop in self._steps.stop:
                    group.create_task(self._stop(stop), name=f"stop {stop.handle.service}")
                for start in self._steps.start:
                    group.create_task(self._start(start), name=f"start {start.service.name}")
                for service in self._confirm:
                    group.create_task(self._tell(service, partial(self._prove, service)), name=f"prove {service.name}")
        except* DaybreakError as errors:
            self.result.failures += [e for e in _leaves(errors) if e not in self.result.failures]

    async def undo(self, why: str, but: AbstractSet[str] = frozenset()) -> None:
        """Take down everything that this run started, but the instances in `but`; what it only found stays."""
        useless = [
            handle
            for name, handle in self._unproven.items()
            if name in self._failed and handle.tier != Tier.DATA  # a database may just take its time
        ]
        handles = [handle for handle in self.result.started if handle.instance not in but] + useless
        for tiers in _UNDO_ORDER:
            ending = [handle for handle in handles if handle.tier in tiers]
            await asyncio.gather(*(self._end(handle, why) for handle in ending), return_exceptions=True)

    def wanted_before(self) -> frozenset[str]:
        """The instances started by this run that are just what was wanted before it, and have not failed."""
        prints = {service.name: service.fingerprint() for service in self._wanted.before}
        return frozenset(
            handle.instance
            for handle in self.result.started
            if prints.get(handle.service) == handle.fingerprint and handle.service not in self._failed
        )

    async def _stop(self, step: Stop) -> None:
        await self._until_stopped(step.after)
        # Once begun it is carried out: half a stop would leave half a service, which nothing would end.
        await _uninterrupted(self._end(step.handle, step.why))
        self._stopped[step.handle.instance].set()

    async def _end(self, handle: Handle, why: str) -> None:
        self._record.emit(Kind.STOPPING, handle.service, why=why)
        stopped = await self._backend.stop(handle)
        self._record.emit(Kind.STOPPED, handle.service, after_s=stopped.after_s, killed=stopped.killed)

    async def _until_stopped(self, services: frozenset[str]) -> None:
        for step in self._steps.stop:
            if step.handle.service in services:
                await self._stopped[step.handle.instance].wait()

    async def _start(self, step: Start) -> None:
        async def work() -> None:
            await self._until_stopped(step.after)
            await self._start_service(step.service, step.why)

        await self._tell(step.service, work)

    async def _tell(self, service: Service, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do the work that makes a service ready; where it fails, the user and those that need it are told."""
        try:
            await work()
        except DaybreakError as error:
            self._failed.add(service.name)
            self._close_gates(service.name)
            if isinstance(error, _Blocked):
                self._record.emit(Kind.FAILED, service.name, reason=error.message, exit_code=None, log=None, tail=[])
                return
            error.reword(self._redact)
            self._report(service, error)
            if service.optional:
                return
            self.result.failures.append(error)
            if not self._wanted.keep_on_failure:
                raise
        except asyncio.CancelledError:
            self._close_gates(service.name)
            raise

    def _close_gates(self, name: str) -> None:
        for (service, _), gate in self._gates.items():
            if service == name and not gate.done():
                gate.set_result(False)

    def _report(self, service: Service, error: DaybreakError) -> None:
        self._record.emit(
            Kind.FAILED,
            service.name,
            reason=error.message,
            exit_code=error.exit_code_of_service if isinstance(error, ServiceDied) else None,
            log=str(log_path(self._logs, service.name)),
            tail=list(error.tail) if isinstance(error, WaitError) else error.details(),
        )

    async def _start_service(self, service: Service, why: str) -> None:
        began = self._record.elapsed_s()
        last_need = await self._needs(service)
        async with self._turn(service) as before:
            await self._start_now(service, why, self._record.elapsed_s() - began, before or last_need)

    async def _start_now(self, service: Service, why: str, waited_s: float, last_need: str | None) -> None:
        for prepare in service.prepare:
            await self._prepare(service, prepare)
        self._logs_before[service.name] = sizes(service.logs)
        instance = uuid.uuid4().hex[:12]
        bound = {name: self._handles[name].instance for name in service.bound_to() if name in self._handles}
        handle = await self._backend.start(service, instance=instance, generation=self._wanted.generation, bound=bound)
        self.result.started.append(handle)
        self._handles[service.name] = handle
        self._record.emit(
            Kind.STARTING, service.name, why=why, instance=instance, waited_s=waited_s, last_need=last_need
        )
        await self._until_ready(service, handle)

    async def _prove(self, service: Service) -> None:
        """Wait until a kept service is ready that nobody has seen ready before."""
        handle = self._handles[service.name]
        self._unproven[service.name] = handle
        await self._until_ready(service, handle)

    async def _until_ready(self, service: Service, handle: Handle) -> None:
        began = self._record.elapsed_s()
        self._pass(service.name, STARTED)
        for gate in service.gates:
            await self._gate(service, gate, handle, began)
        if service.one_shot:
            self._require_clean(service, await self._end_of_one_shot(handle))
        self._pass(service.name, None)
        self._record.emit(Kind.READY, service.name, after_s=self._record.elapsed_s() - began)

    def _pass(self, service: str, gate: str | None) -> None:
        future = self._gates[service, gate]
        if not future.done():
            future.set_result(True)

    @contextlib.asynccontextmanager
    async def _turn(self, service: Service) -> AsyncIterator[str | None]:
        """Wait for a place in the service's lane; the value is who left it, None where one was free."""
        if service.lane is None:
            yield None
            return
        turns = self._lanes.setdefault(service.lane, _Turns(service.lane.width))
        waits = turns.places.locked()
        if waits:
            self._record.emit(Kind.WAITING, service.name, **{"for": ["a turn"]})
        async with turns.places:
            yield turns.left if waits else None
            turns.left = service.name

    async def _needs(self, service: Service) -> str | None:
        """Wait for every need; returns the one that was met last, None where none was waited for."""
        waiting = {str_need(need): future for need in service.needs if (future := self._open_gate(need)) is not None}
        last = None
        if any(not future.done() for future in waiting.values()):
            self._record.emit(Kind.WAITING, service.name, **{"for": list(waiting)})
        by_future = {id(future): name for name, future in waiting.items()}
        pending = {future for future in waiting.values() if not future.done()}
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            last = by_future[id(done.pop())]
        for need in service.needs:
            gate = self._gates.get((need.service, need.gate))
            absent = gate is None and need.service not in self._handles
            if not need.order_only and (absent or (gate is not None and not gate.result())):
                raise _Blocked(f"not started: it needs {str_need(need)}, which failed")
        return last

    def _open_gate(self, need: Need) -> asyncio.Future[bool] | None:
        """The gate's future; None where the service is not being started (it runs, or is not there)."""
        return self._gates.get((need.service, need.gate))

    async def _prepare(self, service: Service, prepare: Prepare) -> None:
        if Path(prepare.creates).exists():
            return
        self._record.emit(Kind.PREPARING, service.name, name=prepare.name)
        result = await self._backend.run(service, prepare.argv, timeout_s=PREPARE_TIMEOUT_S)
        if result.code != 0:
            why = complaint(result.output.splitlines())
            raise ServiceDied(
                f"{service.name}: {prepare.name} failed with exit code {result.code}" + (f": {why}" if why else ""),
                exit_code_of_service=result.code,
                service=service.name,
                tail=result.output.splitlines()[-20:],
            )

    async def _gate(self, service: Service, gate: Gate, handle: Handle, began: float) -> None:
        """Wait for one gate of a starting service."""
        subject = self._subject(service, gate.name, result=isinstance(gate.check, DeployCheck))

        async def once() -> Verdict:
            return await attempt(
                gate.check,
                service,
                self._backend,
                instance=handle.instance,
                timeout_s=service.health.timeout_s,
            )

        waited = await wait_until(
            once,
            subject,
            exited=lambda: self._backend.exited(handle),
            deadline_s=max(0.0, service.start_timeout_s - (self._record.elapsed_s() - began)),
            on_reason=lambda reason: self._not_yet(service, gate, reason),
        )
        self._pass(service.name, gate.name)
        self._record.emit(
            Kind.GATE_PASSED,
            service.name,
            gate=gate.name,
            attempts=waited.attempts,
            after_s=self._record.elapsed_s() - began,
            poll_s=waited.poll_s,
        )

    def _not_yet(self, service: Service, gate: Gate, reason: str) -> None:
        self._record.emit(Kind.NOT_YET, service.name, gate=gate.name, reason=self._redact(reason))

    async def _end_of_one_shot(self, handle: Handle) -> Exit:
        """A one-shot that has done its work ends; one that hangs instead has failed."""
        try:
            async with asyncio.timeout(ONE_SHOT_END_S):
                return await self._backend.exited(handle)
        except TimeoutError:
            return Exit(None, f"did not end within {ONE_SHOT_END_S:g} s of its work being done")

    def _require_clean(self, service: Service, end: Exit) -> None:
        if not end.clean:
            raise died(self._subject(service, ""), end)

    def _subject(self, service: Service, gate: str, *, result: bool = False) -> Subject:
        log = log_path(self._logs, service.name)
        before = self._logs_before.get(service.name)
        return Subject(
            service.name,
            gate,
            str(log),
            lambda: last_words(log, service.logs, service.cwd, before=before),
            one_shot=service.one_shot,
            result=result,
            given_s=service.start_timeout_s,
        )


def str_need(need: Need) -> str:
    """`service` or `service.gate`."""
    return f"{need.service}.{need.gate}" if need.gate else need.service


def _culprits(failures: Sequence[DaybreakError]) -> str:
    """The services that failed by themselves."""
    names = [error.service for error in failures if isinstance(error, WaitError)]
    return ", ".join(dict.fromkeys(names)) or "another service"


def void(_: object) -> None:
    """Drop a value where a callback must return nothing."""


def _leaves(group: BaseExceptionGroup[DaybreakError]) -> list[DaybreakError]:
    found: list[DaybreakError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
