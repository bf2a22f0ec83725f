"""What a keeper that is killed in the middle of a change leaves to the next one, and how that finishes it.

What has begun is finished as it was meant; where that fails, what was wanted before is wanted again, as it would have
been without the kill.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from daybreak.backends.base import Handle, State
from daybreak.keeper.followers import Followers
from daybreak.keeper.planning.prepare import Prepared
from daybreak.keeper.planning.restart_facts import services_of
from daybreak.keeper.runner import Operation
from daybreak.keeper.wanted.wanted_state import Errand, UnderWay
from daybreak.names import HEAD, SERVE
from daybreak.run.change import Change
from daybreak.run.considered import considered
from daybreak.run.current import newest_of_each
from daybreak.run.plan import Goal, Plan
from daybreak.run.replica_room import ONE
from daybreak.run.restart_way import Choice, Way
from daybreak.services.service import Tier
from daybreak.timeline.event import RunKind


def begun(operation: Operation, prepared: Prepared) -> UnderWay:
    """What is stored of a change that begins now."""
    choice, change = prepared.choice, prepared.change
    return UnderWay(
        Errand.CHANGE,
        operation.pid,
        replaces=replaced(prepared.steps),
        proven=proven(prepared.steps, change.unproven),
        gently=choice is not None and choice.way is Way.REDEPLOY,
        anew=prepared.anew,
        only=choice.only if choice else "",
        keep=change.keep_on_failure,
        before=replace(prepared.before.state, under_way=None) if prepared.before else None,
    )


def replaced(steps: Plan) -> tuple[str, ...]:
    """The instances that a plan ends."""
    return tuple(step.handle.instance for step in steps.stop)


def proven(steps: Plan, unproven: AbstractSet[str]) -> tuple[str, ...]:
    """The instances that a plan keeps and that were seen ready."""
    return tuple(handle.instance for handle in steps.keep if handle.service not in unproven)


async def unfinished(followers: Followers, under_way: UnderWay, observed: Sequence[Handle]) -> Prepared:
    """The rest of what was begun. Raises DaybreakError where the stored spec cannot be used."""
    desired = followers.desired
    assert desired.state
    target = await desired.target(desired.state)
    choice = _way(under_way, observed)
    services = considered(services_of(choice, target.cluster, anew=under_way.anew), observed, desired.state.stopped)
    unproven, again = followers.unproven(services)
    current, _ = newest_of_each(observed)
    left = {name for name, handle in current.items() if handle.instance in under_way.replaces}
    before = await desired.way_back()
    change = Change(
        services,
        Goal(replace_services=again | left, serving=SERVE if choice else "", steps_stay=True),
        keep_on_failure=under_way.keep,
        generation=desired.state.generation,
        unproven=unproven,
        before=before.cluster.services if before else (),
        way=choice.way if choice else None,
    )
    runs = any(handle.tier == Tier.APP and handle.state is State.RUNNING for handle in observed)
    kind = RunKind.CHANGE if runs else RunKind.STARTUP
    return Prepared(kind, target, before, change, change.plan(observed), observed, choice, under_way.anew)


def _way(under_way: UnderWay, observed: Sequence[Handle]) -> Choice | None:
    """Applications that still serve are replaced as gently as it was meant."""
    there = {handle.service for handle in observed if handle.state is not State.BROKEN}
    if under_way.gently and {HEAD, SERVE} <= there:
        return Choice(Way.REDEPLOY, surge=ONE, only=under_way.only)
    return None
