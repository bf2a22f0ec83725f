"""`prewarm`: start the warm template and nothing else; where the cluster runs it has one already."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from daybreak.errors import UsageError
from daybreak.keeper.backends.both_backends import DOCKER, Backends
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.planning.prepare import Preparation
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.runs.measured_runs import MeasuredRuns
from daybreak.keeper.runs.preflight import preflight
from daybreak.run.change import Change
from daybreak.services.build import Cluster
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
        # Asked for by itself it has no end.
        state = self.preparation.wanted(request).with_changes(warm_until=None)
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
        target = await self.followers.desired.target(state, request.environment, asked=request.environment)
        cluster = target.cluster
        services = tuple(service for service in cluster.services if service.tier is Tier.WARM)
        change = Change(services, generation=state.generation)
        steps = change.plan(observed)
        await asyncio.to_thread(preflight, steps, self.preparation.paths.root)
        self.followers.take_over(replace(target, cluster=Cluster(cluster.spec, cluster.site, services)))
        return await self.measured.carry_out(operation, RunKind.PREWARM, steps, change, cluster)
