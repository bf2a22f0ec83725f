"""What a run is to reach, and what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from daybreak.backends.base import Handle
from daybreak.errors import DaybreakError
from daybreak.run.plan import Goal, Plan, plan
from daybreak.run.restart_way import Way
from daybreak.services.service import Service


@dataclass(frozen=True)
class Change:
    """The services that are to run, what to replace beyond the difference, and what to do on failure.

    `unproven` names services that may be running but were never seen ready: where one is kept, its gates are waited
    for as if this run had started it. `before` are the services that were wanted until now, none where nothing was: a
    failure leaves those that this run has started just as they were wanted. `way` is that of a restart,
    or another word for how it is done.
    """

    services: Sequence[Service]
    goal: Goal = Goal()
    keep_on_failure: bool = False
    generation: int = 1
    unproven: frozenset[str] = frozenset()
    before: Sequence[Service] = ()
    way: Way | str | None = None

    def plan(self, observed: Sequence[Handle]) -> Plan:
        """The steps that lead there from what was observed."""
        return plan(self.services, observed, self.goal)

    def nothing_to_do(self, steps: Plan) -> bool:
        """Does everything run, and was it seen ready?"""
        return steps.empty and not any(handle.service in self.unproven for handle in steps.keep)


@dataclass
class Result:
    """What a run did."""

    plan: Plan
    started: list[Handle] = field(default_factory=list)
    failures: list[DaybreakError] = field(default_factory=list)
