"""`restart SERVICE`, `stop SERVICE`, `start SERVICE`: only what is named changes, with what shares its fate."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from daybreak.backends.base import Handle, State
from daybreak.errors import NotRunning
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.generations.kept import Keeping
from daybreak.keeper.operations.named import Verb, named
from daybreak.keeper.planning.prepare import Preparation
from daybreak.keeper.recovery.recovery import Recovery
from daybreak.keeper.recovery.unfinished import proven, replaced
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.runs.measured_runs import MeasuredRuns
from daybreak.keeper.runs.preflight import preflight
from daybreak.keeper.schedules.schedules import Schedules
from daybreak.keeper.wanted.desired import Target
from daybreak.keeper.wanted.wanted_state import Errand, UnderWay
from daybreak.run.change import Change
from daybreak.run.considered import considered
from daybreak.run.plan import Goal, Plan
from daybreak.services.service import Run, Service
from daybreak.states import BY_YOU
from daybreak.timeline.event import RunKind


@dataclass
class ChangeServices:
    """Starts single services anew, stops them until somebody starts them, or starts them."""

    verb: Verb
    backends: Backends
    followers: Followers
    runner: Runner
    preparation: Preparation
    measured: MeasuredRuns
    recovery: Recovery
    keeping: Keeping
    schedules: Schedules

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        async with self.runner.turn(operation):
            state = self.preparation.wanted(request)
            now = self.followers.desired.before()
            if now is None:
                raise NotRunning(state.spec.name, f"there is nothing to {self.verb}")
            names = named(self.verb, request.services, now.cluster)
            return await self._change(request, operation, now, names)

    async def _change(
        self, request: Request, operation: Operation, now: Target, names: frozenset[str]
    ) -> dict[str, Any]:
        stopped = set(now.state.stopped) | names if self.verb is Verb.STOP else set(now.state.stopped) - names
        observed = self.followers.but_kept(await self.backends.observe())
        for text in self._told(now, names, self.followers.here(observed)):
            operation.note(f"note: {text}")
        self.followers.supervisor.forgive()
        change = self._wanted(request, now, names, considered(now.cluster.services, observed, stopped))
        steps = change.plan(observed)
        if self.verb is Verb.STOP:
            steps = _as_asked(steps, names)
        await asyncio.to_thread(preflight, steps, self.preparation.paths.root, (), now.cluster.services)
        await self.keeping.end("single services change", operation)
        begun = UnderWay(
            Errand.CHANGE,
            operation.pid,
            replaces=replaced(steps),
            proven=proven(steps, change.unproven),
            keep=request.keep,
            before=now.state.with_changes(kept=None),
        )
        self.followers.desired.change(settled=False, under_way=begun, stopped=tuple(sorted(stopped)))
        self.followers.leave_stopped()
        try:
            done = await self.measured.carry_out(operation, RunKind.CHANGE, steps, change, now.cluster)
        except Exception as error:
            await self.recovery.go_back(operation, now, request.keep, error)
            raise
        self.followers.desired.change(settled=True, changed_for=operation.pid)
        if self.verb is Verb.START:
            await self.schedules.run_now(names)
        return {**done, "status": self.measured.snapshot().to_json()}

    def _wanted(self, request: Request, now: Target, names: frozenset[str], services: Sequence[Service]) -> Change:
        unproven, again = self.followers.unproven(services)
        anew = names if self.verb is Verb.RESTART else names & _steps(services) if self.verb is Verb.START else set()
        return Change(
            services,
            Goal(replace_services=again | anew, steps_stay=True),
            keep_on_failure=request.keep,
            generation=now.state.generation,
            unproven=unproven,
            before=now.cluster.services,
        )

    def _told(self, now: Target, names: frozenset[str], observed: Sequence[Handle]) -> list[str]:
        """What somebody should know who asks for this."""
        running = {handle.service for handle in observed if handle.state is State.RUNNING}
        if self.verb is Verb.START:
            there = sorted(names & running)
            return [f"{', '.join(there)}: running already"] if there else []
        if self.verb is not Verb.STOP:
            return []
        needed = {
            one.name: sorted(need.service for need in one.needs if need.service in names)
            for one in now.cluster.services
            if one.name in running and one.name not in names
        }
        told = [f"{name} needs {', '.join(needs)}, and runs on without" for name, needs in needed.items() if needs]
        gone = sorted(names - running)
        return told + ([f"{', '.join(gone)}: not running anyway; left so until `daybreak start`"] if gone else [])


def _steps(services: Sequence[Service]) -> frozenset[str]:
    return frozenset(service.name for service in services if service.run is Run.ONCE)


def _as_asked(steps: Plan, names: Collection[str]) -> Plan:
    """Wanted it is, after all: somebody has just asked that it ends."""
    stops = (replace(step, why=f"stopped {BY_YOU}") if step.handle.service in names else step for step in steps.stop)
    return replace(steps, stop=tuple(stops))
