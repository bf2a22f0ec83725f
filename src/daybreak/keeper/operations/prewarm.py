"""`prewarm`: start the warm template and nothing else; where the cluster runs it has one already."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from daybreak.errors import UsageError
from daybreak.keeper.backends.both_backends import DOCKER, Backends
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.planning.prepare import Preparation
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.runs.measured_runs import MeasuredRuns
from daybreak.keeper.runs.preflight import preflight
from daybreak.keeper.wanted.desired import template_alone
from daybreak.run.change import Change
from daybreak.services.service import Tier
from daybreak.timeline.event import RunKind


@dataclass
class Prewarm:
    """Has ready what can be had ahead of a start."""

    backends: Backends
    followers: Followers
    runner: Runner
    preparation: Preparation
    measured: MeasuredRuns

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        async with self.runner.turn(operation):
            return await self._prewarm(request, operation)

    async def _prewarm(self, request: Request, operation: Operation) -> dict[str, Any]:
        state = self.preparation.wanted(request)
        spec = state.spec
        if spec.backend == DOCKER:
            # In containers each node has a template of its own; what can be had ahead is images.
            await self.backends.engine.have_all(spec, operation.note)
            return {"status": self.measured.snapshot().to_json()}
        if not spec.warm.enabled:
            raise UsageError("the warm start is switched off in the spec", hint="remove `warm: false`")
        observed = await self.backends.observe()
        if any(handle.tier != Tier.WARM for handle in observed):
            return {"status": self.measured.snapshot().to_json()}
        operation.kind = RunKind.PREWARM
        wanted = await self.followers.desired.target(state, request.environment, asked=request.environment)
        target, cluster = template_alone(wanted), wanted.cluster
        change = Change(target.cluster.services, generation=state.generation)
        steps = change.plan(observed)
        await asyncio.to_thread(preflight, steps, self.preparation.paths.root)
        self.followers.take_over(target)
        return await self.measured.carry_out(operation, RunKind.PREWARM, steps, change, cluster)
