"""`restart` by the way *replace*: a generation starts beside the one that serves.

Until requests go to it nothing else is wanted than before: a keeper that comes after a killed one looks after the old
generation, and ends the new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.followers import Followers
from daybreak.keeper.generations.canary import Canary
from daybreak.keeper.generations.handover import BeforeSwitch, Replacement
from daybreak.keeper.generations.kept import Keeping
from daybreak.keeper.generations.rehearsal import Rehearsal
from daybreak.keeper.planning.prepare import Prepared
from daybreak.keeper.recovery.left_generation import clear
from daybreak.keeper.recovery.recovery import Recovery
from daybreak.keeper.runner import Operation
from daybreak.keeper.runs.measured_runs import MeasuredRuns
from daybreak.run.change import Change
from daybreak.run.plan import Plan
from daybreak.run.uninterrupted import uninterrupted
from daybreak.timeline.event import RunKind


@dataclass
class Replacing:
    """Carries it out. `before_switch` is asked when the new generation is ready: any of them may refuse."""

    backends: Backends
    followers: Followers
    measured: MeasuredRuns
    recovery: Recovery
    keeping: Keeping
    before_switch: list[BeforeSwitch] = field(default_factory=list)

    async def __call__(self, operation: Operation, prepared: Prepared) -> dict[str, Any]:
        """Raises what the run has failed with: then the old generation serves as before."""
        before, target = prepared.before, prepared.target
        assert before
        await clear(self.backends, await self.backends.observe(), target.state.slot)
        replacement = Replacement(self.followers, self.backends, before, target, self.before_switch)
        if prepared.canary:
            replacement.canary = Canary(self.followers, prepared.canary)
        if prepared.rehearse:
            replacement.rehearsal = Rehearsal(self.followers.traffic.kept, target.cluster, operation.note)
        if for_s := prepared.keep_s:
            replacement.keep = lambda old: self.keeping.described(before, old, for_s)
        try:
            return await self.lead_over(operation, prepared.kind, prepared.steps, prepared.change, replacement)
        finally:
            if replacement.committed and for_s:
                await uninterrupted(self.keeping.begin())

    async def lead_over(
        self, operation: Operation, kind: RunKind, steps: Plan, change: Change, replacement: Replacement
    ) -> dict[str, Any]:
        """Raises what the run has failed with: then the generation of before serves."""
        before, target = replacement.before, replacement.target
        self.backends.inherit(target.environment)
        self.followers.desired.lead_to_the_code(target)
        try:
            return await self.measured.carry_out(operation, kind, steps, change, target.cluster, replacement)
        except Exception as error:
            self.backends.inherit(self.followers.desired.environment)
            if not replacement.committed:
                await self.recovery.stay(operation, before, error)
            raise
        finally:
            await uninterrupted(replacement.end())
