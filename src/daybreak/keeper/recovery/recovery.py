"""Bringing back what has crashed, and what a failed change has replaced."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from daybreak.backends.base import Backend, State
from daybreak.errors import DaybreakError, Interrupted, PreflightError, StepFailed, WaitError
from daybreak.health.checks import attempt
from daybreak.health.verdict import Ready
from daybreak.keeper.followers import Followers
from daybreak.keeper.planning.restart_facts import goal_of, services_of
from daybreak.keeper.recovery.left_generation import end_left, left
from daybreak.keeper.recovery.lost_head import ComingBack
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.runs.measured_runs import MeasuredRuns
from daybreak.keeper.runs.still_running import still_running
from daybreak.keeper.wanted.desired import Target
from daybreak.keeper.wanted.wanted_state import Errand, UnderWay
from daybreak.names import HEAD, SERVE
from daybreak.run.change import Change
from daybreak.run.coming_back import outliving
from daybreak.run.considered import considered
from daybreak.run.plan import Goal
from daybreak.run.replica_room import ONE
from daybreak.run.restart_way import Choice, Way
from daybreak.run.uninterrupted import uninterrupted
from daybreak.services.build import Cluster
from daybreak.services.service import Run, Service
from daybreak.states import FINE
from daybreak.timeline.event import Kind, RunKind
from daybreak.timeline.recorder import Recorder

STILL_SERVES = "the version before still serves"
SERVES_AGAIN = "the version before serves again"
# What Serve has accepted nobody calls back.
GOES_ON = "the applications serve; where Serve was already told to replace them it goes on with that"
COMES_BACK = "what ran before is started again"
log = logging.getLogger(__name__)


@dataclass
class Recovery:
    """Makes what runs equal to what was wanted before something went wrong."""

    backend: Backend
    followers: Followers
    runner: Runner
    measured: MeasuredRuns
    record: Recorder
    coming_back: ComingBack = field(default_factory=ComingBack)
    _told_left: frozenset[str] = frozenset()

    async def of_crash(self, service: str, replace: bool) -> None:
        """Bring back what crashed; what cannot be brought back is tried again after its back-off."""
        operation = Operation("recovery")

        async def work(operation: Operation) -> None:
            async with self.runner.turn(operation):
                await self._recover(operation, service, replace)

        operation.start(work)
        try:
            await operation.answer()
        except Interrupted as interrupted:
            log.info("recovery of %s: %s", service, interrupted.message)

    async def of_leftovers(self) -> None:
        """End what is left of a generation that nobody wants, whose run was interrupted or which did not end, when it
        has answered what it was asked. Raises DaybreakError where it does not end."""
        operation = Operation("recovery")

        async def work(operation: Operation) -> None:
            async with self.runner.turn(operation):
                now = self.followers.desired.before()
                observed = self.followers.but_kept(await self.backend.observe())
                if now and (instances := left(observed, now.state.slot)):
                    if not instances <= self._told_left:  # once, however often it is tried
                        self.record.emit(Kind.NOTE, text="what is left of another generation ends")
                    self._told_left = instances
                    await end_left(self.backend, observed, now)

        operation.start(work)
        with contextlib.suppress(Interrupted):
            await operation.answer()

    async def _recover(self, operation: Operation, service: str, anew: bool) -> None:
        now = self.followers.desired.before()
        if now is None:
            return
        supervisor = self.followers.supervisor
        services = [s for s in now.cluster.services if s.name not in supervisor.given_up]
        unproven, again = self.followers.unproven(services)
        back = frozenset[str]() if anew and service == HEAD else self.coming_back.may()
        goal = Goal(replace_services=again | ({service} if anew else set()), comes_back=back, steps_stay=True)
        observed = self.followers.but_kept(await self.backend.observe())
        services = considered(services, self.followers.here(observed), now.state.stopped, recovers=True)
        change = Change(services, goal, keep_on_failure=True, generation=now.state.generation, unproven=unproven)
        steps = change.plan(observed)
        if change.nothing_to_do(steps):
            return  # another recovery, or a command, was quicker
        change = replace(change, unproven=unproven | outliving(services, steps.coming_back))
        comes_back = bool(steps.coming_back)
        try:
            await self.measured.carry_out(operation, RunKind.RECOVERY, steps, change, now.cluster)
        except DaybreakError as error:
            log.warning("recovery of %s failed: %s", service, error.message)
            # Where nothing was begun, that says nothing about what would have come back.
            comes_back = comes_back and not isinstance(error, PreflightError)
            if operation.cancelled:
                raise
            if comes_back:
                # What it knows is of no use, or the others do not find it again: everything that hangs on it goes.
                supervisor.replace(HEAD)
            else:
                await self._try_again(service, services, error)
        finally:
            if comes_back:
                self.coming_back.tried()

    async def _try_again(self, service: str, services: Sequence[Service], error: DaybreakError) -> None:
        """What has failed by itself comes first: its back-off counts, not that of what only hung on it."""
        observed = self.followers.here(await self.backend.observe())
        running = {handle.service for handle in observed if handle.state is not State.BROKEN}
        missing = [s.name for s in services if s.name not in running]
        failures = error.failures if isinstance(error, StepFailed) else ()
        failed = [failure.service for failure in failures if isinstance(failure, WaitError)]
        first = next((name for name in (*failed, service) if name in missing), None)
        self.followers.supervisor.retry(first or (missing[0] if missing else service))

    async def go_back(
        self,
        operation: Operation,
        before: Target | None,
        keep: bool,
        error: BaseException,
        redo: AbstractSet[str] = frozenset(),
    ) -> None:
        """The change failed. With `keep` what came up is looked after; else what was wanted before is wanted again, and
        brought back as far as the run has replaced it. What is in `redo` is done again in any case: its failure was
        that of other code."""
        desired = self.followers.desired
        now = desired.cluster
        tried = {service.name: service.fingerprint() for service in now.services} if now else {}
        if keep and not isinstance(error, Interrupted):
            if now and await self._find_again(now.services, tried):
                _add(error, STILL_SERVES)
            desired.change(settled=True, changed_for=None)
            return
        if before is None:
            desired.change(under_way=None)
            return
        await uninterrupted(self._want_again(operation, before, redo))
        wanted = before.cluster.services
        serves = await self._find_again(wanted, tried)
        if not isinstance(error, Interrupted) and not operation.cancelled:
            # What has just failed as it was wanted before would fail once more.
            failures = error.failures if isinstance(error, StepFailed) else ()
            failed = {failure.service for failure in failures if isinstance(failure, WaitError)}
            alike = {service.name for service in wanted if tried.get(service.name) == service.fingerprint()}
            with contextlib.suppress(asyncio.CancelledError):
                await self._bring_back(operation, before.cluster, failed & alike - redo, redo)
        words = await self._what_serves([service for service in wanted if service.name in redo], error, serves=serves)
        await uninterrupted(self._settle(wanted, error, words))
        if isinstance(error, Interrupted) and not operation.given_way:
            self._bring_back_later(wanted, error)

    async def _want_again(self, operation: Operation, before: Target, redo: AbstractSet[str]) -> None:
        """A keeper that comes after this one goes back as well."""
        desired = self.followers.desired
        generation = desired.state.generation if desired.state else before.state.generation
        desired.become(before.with_state(generation=generation, settled=False, kept=None))
        told = tuple(handle.instance for handle in await self.backend.observe() if handle.service in redo)
        desired.change(under_way=UnderWay(Errand.CHANGE, operation.pid, replaces=told, keep=True))
        self.followers.want(before.cluster)

    async def _what_serves(self, redone: Sequence[Service], error: BaseException, *, serves: bool) -> str:
        """What is said of it; nothing where that is not known."""
        if serves:
            return GOES_ON if isinstance(error, Interrupted) else STILL_SERVES
        return SERVES_AGAIN if redone and all([await self._answers(service) for service in redone]) else ""

    async def stay(self, operation: Operation, before: Target, error: BaseException) -> None:
        """A generation that was started beside the one of `before` has failed, and is gone: the one of before serves.
        What must not run twice may have been replaced meanwhile, and is brought back."""
        if not isinstance(error, Interrupted) and not operation.cancelled:
            with contextlib.suppress(asyncio.CancelledError):
                await self._bring_back(operation, before.cluster, frozenset(), frozenset())
        deployment = next((one for one in before.cluster.services if one.name == SERVE), None)
        serves = deployment is not None and await uninterrupted(self._answers(deployment))
        await uninterrupted(self._settle(before.cluster.services, error, STILL_SERVES if serves else ""))
        if isinstance(error, Interrupted) and not operation.given_way:
            self._bring_back_later(before.cluster.services, error)

    async def _find_again(self, wanted: Sequence[Service], tried: Mapping[str, str]) -> bool:
        """A deployment that was to be replaced while it serves is still there where its successor has failed. Returns
        whether it answers."""
        alike = {service.name for service in wanted if tried.get(service.name) == service.fingerprint()}
        rows = self.followers.board.rows
        for handle in self.followers.here(await self.backend.observe()):
            name = handle.service
            there = handle.one_shot and handle.state is State.COMPLETED
            if there and name in alike and name in rows and rows[name].state not in FINE:
                self.record.emit(Kind.ADOPTED, name, pid=handle.pid, instance=handle.instance, ready=True)
                return await self._answers(next(service for service in wanted if service.name == name))
        return False

    async def _answers(self, service: Service) -> bool:
        """Whether its door does, now."""
        check = service.health.check
        if check is None:
            return False
        timeout_s = service.health.timeout_s
        return isinstance(await attempt(check, service, self.backend, instance="", timeout_s=timeout_s), Ready)

    async def _settle(self, wanted: Sequence[Service], error: BaseException, words: str) -> None:
        """Whatever is not there now is left alone until the next command. `words` tell what serves."""
        observed = self.followers.here(await self.backend.observe())
        self.followers.observed(observed)
        if isinstance(error, DaybreakError):
            error.aftermath = still_running(wanted, observed)
        if words:
            _add(error, words)
        there = {handle.service for handle in observed if handle.state is not State.BROKEN}
        steady = {service.name for service in wanted if service.run is Run.STEADY}
        self.followers.give_up(steady - there - self.followers.supervisor.stopped)
        self.followers.desired.change(settled=True)

    def _bring_back_later(self, wanted: Sequence[Service], error: DaybreakError) -> None:
        """Whoever interrupts a change wants what was there before it, and waits for nothing: a recovery does it."""
        supervisor = self.followers.supervisor
        missing = [service.name for service in wanted if service.name in supervisor.given_up]
        if not missing:
            return
        supervisor.forgive()
        self.followers.remember_given_up()
        for name in missing:
            supervisor.bring_back(name, after_s=0)
        _add(error, COMES_BACK)

    async def _bring_back(
        self, operation: Operation, cluster: Cluster, hopeless: AbstractSet[str], redo: AbstractSet[str]
    ) -> None:
        """Start again what a failed run has replaced; the run's own error is the one that is told."""
        observed = self.followers.but_kept(await self.backend.observe())
        there = {handle.service for handle in self.followers.here(observed) if handle.state is not State.BROKEN}
        # Applications that are there give way to those of before as gently.
        gently = cluster.site.ray.surges and {HEAD, SERVE} <= there
        choice = Choice(Way.REDEPLOY, surge=ONE, changed_only=True) if gently else None
        known = services_of(choice, cluster, anew=bool(redo))
        stopped = self.followers.supervisor.stopped
        known = considered(known, self.followers.here(observed), stopped, recovers=True)
        services = [service for service in known if service.name not in hopeless - there]
        unproven, again = self.followers.unproven(services)
        state = self.followers.desired.state
        change = Change(
            services,
            replace(goal_of(choice, cluster, again | redo, restart=False), steps_stay=True),
            keep_on_failure=True,
            generation=state.generation if state else 1,
            unproven=unproven,
        )
        steps = change.plan(observed)
        if not steps.start and not any(handle.service in unproven for handle in steps.keep):
            return
        operation.note("the change failed: going back to what ran before")
        try:
            await self.measured.carry_out(operation, RunKind.RECOVERY, steps, change, cluster)
        except DaybreakError as error:
            operation.note(f"not all of it came back: {error.message}")


def _add(error: BaseException, words: str) -> None:
    """Tell this of what runs now, before the rest."""
    if isinstance(error, DaybreakError):
        error.aftermath = "; ".join(filter(None, (words, error.aftermath)))
