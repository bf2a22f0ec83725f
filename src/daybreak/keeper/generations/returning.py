"""`rollback` to the generation before, where that is kept: its processes go on, and requests go there."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from daybreak.backends.base import Handle, State
from daybreak.errors import DaybreakError
from daybreak.health.checks import attempt
from daybreak.health.verdict import Ready
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.generations.handover import Replacement
from daybreak.keeper.generations.replacing import Replacing
from daybreak.keeper.generations.warm_up import warm_up
from daybreak.keeper.planning.restart_facts import goal_of
from daybreak.keeper.planning.second_generation import APART
from daybreak.keeper.runner import Operation
from daybreak.keeper.versions.keeping import Versions
from daybreak.keeper.wanted.desired import Target
from daybreak.keeper.wanted.wanted_state import Kept
from daybreak.names import SERVE
from daybreak.run.change import Change
from daybreak.run.plan import Plan
from daybreak.run.restart_way import Choice, Way
from daybreak.run.uninterrupted import uninterrupted
from daybreak.services.service import Tier
from daybreak.show.text import seconds
from daybreak.timeline.event import RunKind

# The other one serves meanwhile. One that does not answer within this time is given up, and its version deployed anew.
ANSWERS_S = 10.0
LOOK_S = 0.02
# How such a restart is named where others are named by their way.
FROM_KEPT = "kept"


@dataclass
class Return(Replacement):
    """The generation before, which has been asked already, replaces the one that serves. `handles` are its own."""

    handles: Sequence[Handle] = ()

    async def switch(self) -> None:
        await self.turn()

    async def commit(self, started: Sequence[Handle]) -> None:
        """Raises PreflightError where that cannot be kept: then the other one stays."""
        await super().commit([*self.handles, *started])


@dataclass(frozen=True)
class _Way:
    """What there is of it, what is wanted then, and the steps."""

    handles: Sequence[Handle]
    before: Target
    target: Target
    change: Change
    steps: Plan


@dataclass
class Returning:
    """Goes back to what is kept."""

    backends: Backends
    followers: Followers
    versions: Versions
    replacing: Replacing

    async def __call__(self, operation: Operation, request: Request) -> tuple[Request, dict[str, Any] | None]:
        """The operation has its turn. Returns what came of it; None where nothing suitable is kept, or it does not
        answer: then the version has to be deployed, as the request that is returned says."""
        keeping = self.replacing.keeping
        kept, before = keeping.now, self.followers.desired.before()
        if kept is None or before is None or request.version not in (None, kept.state.version):
            return request, None
        try:
            way = await self._way(before, kept)
            took_s = await self._wake(way)
        except DaybreakError as error:
            await keeping.end(f"it cannot go on ({error.message})", operation)
            return replace(request, version=kept.state.version), None
        except BaseException:
            await uninterrupted(keeping.freeze())
            raise
        operation.note(f"version {kept.state.version} was kept, and answers after {seconds(took_s)}")
        return request, await self._lead_over(operation, way)

    async def _way(self, before: Target, kept: Kept) -> _Way:
        """Raises DaybreakError where it would not be as it was."""
        target = await self.followers.desired.target(await self.versions.returned(kept), inherited=kept.environment)
        observed = await self.backends.observe()
        handles = self.followers.kept(observed)
        goal = goal_of(Choice(Way.REPLACE), target.cluster, frozenset(), restart=True)
        change = Change(
            target.cluster.services,
            goal,
            generation=target.state.generation,
            before=before.cluster.services,
            way=FROM_KEPT,
        )
        steps = change.plan(observed)
        if gone := [handle.service for handle in handles if handle.state is State.BROKEN]:
            raise DaybreakError(f"a process has ended of {', '.join(gone)}")
        if other := _otherwise(steps, goal.alone):
            raise DaybreakError(f"more would be replaced: {', '.join(other)}")
        return _Way(handles, before, target, change, steps)

    async def _wake(self, way: _Way) -> float:
        """Let it go on until it answers; returns how long that took. Raises DaybreakError where it does not."""
        loop, cluster = asyncio.get_running_loop(), way.target.cluster
        began, backend = loop.time(), self.backends
        await backend.freezer.thaw(way.handles)
        service = next(one for one in cluster.services if one.name == SERVE)
        check = service.health.check
        old, new = Return(self.followers, backend, way.before, way.target).upstreams
        try:
            async with asyncio.timeout(ANSWERS_S):
                while check and not isinstance(
                    await attempt(check, service, backend, instance="", timeout_s=ANSWERS_S), Ready
                ):
                    await asyncio.sleep(LOOK_S)
                await warm_up(cluster, old, new)
        except TimeoutError:
            raise DaybreakError(f"no answer within {ANSWERS_S:g} s") from None
        return loop.time() - began

    async def _lead_over(self, operation: Operation, way: _Way) -> dict[str, Any]:
        """Raises what the run has failed with: then it is kept on."""
        replacement = Return(self.followers, self.backends, way.before, way.target, handles=way.handles)
        operation.kind = RunKind.RESTART
        try:
            return await self.replacing.lead_over(operation, RunKind.RESTART, way.steps, way.change, replacement)
        finally:
            if not replacement.committed:
                await uninterrupted(self.replacing.keeping.begin())


def _otherwise(steps: Plan, alone: Collection[str]) -> list[str]:
    """What is neither of the generation that ends, nor replaced without harm."""
    starting = [step.service.name for step in steps.start if step.service.tier is Tier.APP]
    ending = [step.handle.service for step in steps.stop if step.handle.tier not in APART]
    return [name for name in starting if name not in alone] + ending
