"""`restart SERVICE`: one service is started anew as it is wanted, with what shares its fate; all else stays."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from daybreak.errors import NotRunning, UsageError
from daybreak.keeper.backends import Backends
from daybreak.keeper.desired import Target
from daybreak.keeper.followers import Followers
from daybreak.keeper.keeping import Keeping
from daybreak.keeper.measured_runs import MeasuredRuns
from daybreak.keeper.preflight import preflight
from daybreak.keeper.prepare import Preparation
from daybreak.keeper.recovery import Recovery
from daybreak.keeper.request import Request
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.unfinished import proven, replaced
from daybreak.keeper.wanted import Errand, UnderWay
from daybreak.names import SERVE
from daybreak.run.change import Change
from daybreak.run.plan import Goal
from daybreak.timeline.event import RunKind


@dataclass
class RestartService:
    """Starts one service anew."""

    backends: Backends
    followers: Followers
    runner: Runner
    preparation: Preparation
    measured: MeasuredRuns
    recovery: Recovery
    keeping: Keeping

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        async with self.runner.turn(operation):
            return await self._restart(request, operation)

    async def _restart(self, request: Request, operation: Operation) -> dict[str, Any]:
        state = self.preparation.wanted(request)
        now = self.followers.desired.before()
        if now is None:
            raise NotRunning(state.spec.name, "there is nothing to restart")
        name = _known(request.service, now)
        services = now.cluster.services
        self.followers.supervisor.forgive()
        unproven, again = self.followers.unproven(services)
        change = Change(
            services,
            Goal(replace_services=again | {name}),
            keep_on_failure=request.keep,
            generation=now.state.generation,
            unproven=unproven,
            before=services,
        )
        steps = change.plan(self.followers.but_kept(await self.backends.observe()))
        await asyncio.to_thread(preflight, steps, self.preparation.paths.root, (), services)
        await self.keeping.end("a service is started anew", operation)
        begun = UnderWay(
            Errand.CHANGE,
            operation.pid,
            replaces=replaced(steps),
            proven=proven(steps, unproven),
            keep=request.keep,
            before=now.state.with_changes(kept=None),
        )
        self.followers.desired.change(settled=False, under_way=begun)
        try:
            done = await self.measured.carry_out(operation, RunKind.CHANGE, steps, change, now.cluster)
        except Exception as error:
            await self.recovery.go_back(operation, now, request.keep, error)
            raise
        self.followers.desired.change(settled=True, changed_for=operation.pid)
        return {**done, "status": self.measured.snapshot().to_json()}


def _known(name: str | None, now: Target) -> str:
    """The name of a service that can be started anew by itself. Raises UsageError for another one."""
    names = [service.name for service in now.cluster.services]
    if name not in names:
        raise UsageError(f"{now.state.spec.name} has no service {name!r}", hint=f"it has {', '.join(names)}")
    if name == SERVE:
        raise UsageError(
            "applications are not started anew by themselves", hint="`daybreak restart --redeploy` replaces them"
        )
    return name
