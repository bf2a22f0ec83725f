"""What must be done: the difference between what is wanted and what was observed.

Pure: no clock, no process, no socket. Whoever reads a `Plan` knows what daybreak is about to do, and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from daybreak.backends.base import Handle, State
from daybreak.names import HEAD
from daybreak.run import coming_back
from daybreak.run.current import by_slot, newest_of_each
from daybreak.run.rerun import rerun
from daybreak.services.service import Run, Service, Tier

# What steps wait for that is no service: requests go to the new generation; the old one has answered what it had begun.
SWITCHED, DRAINED = "the switch", "the drained generation"


@dataclass(frozen=True)
class Goal:
    """What the user asked for beyond the wanted services themselves.

    `replace_tiers` and `replace_services` are started anew even where nothing differs: that is all a restart is.
    `serving` is the one of them whose work goes on while it is replaced, empty where there is none: it is not stopped
    before the new one is ready, and neither are the others. `new_generation`: a whole app tier starts beside the one
    that runs, whose nodes end when requests go to the new one and what they were answering has been answered; services
    named in `alone` must not run twice, and are replaced in between. `keeps`: the old nodes do not end. Those named in
    `comes_back` are started as the instances that they were, where they are gone and what outlives them is not.
    `steps_stay`: no step that has been done is run again for what needs it. `changed` says by service which
    keys of the spec differ.
    """

    replace_tiers: frozenset[Tier] = frozenset()
    replace_services: frozenset[str] = frozenset()
    serving: str = ""
    new_generation: bool = False
    alone: frozenset[str] = frozenset()
    keeps: bool = False
    comes_back: frozenset[str] = frozenset()
    steps_stay: bool = False
    changed: Mapping[str, str] = field(default_factory=dict)

    def selects(self, service: str, tier: str) -> bool:
        return service in self.replace_services or tier in self.replace_tiers


@dataclass(frozen=True)
class Stop:
    """End one instance; after every service in `after` has ended, and `behind`, where given, is ready."""

    handle: Handle
    why: str
    after: frozenset[str] = frozenset()
    behind: str = ""

    @property
    def retires(self) -> bool:
        """Does it end only when there is no way back?"""
        return self.behind == DRAINED


@dataclass(frozen=True)
class Start:
    """Start one service; after every instance of `after` has ended, and `behind`, where given, is ready.

    Its needs order it among the other starts. `instance` is the one that it comes back as; empty for a new one.
    """

    service: Service
    why: str
    after: frozenset[str] = frozenset()
    behind: str = ""
    instance: str = ""


@dataclass(frozen=True)
class Plan:
    """The steps. `keep` is left exactly as it is."""

    stop: tuple[Stop, ...] = ()
    start: tuple[Start, ...] = ()
    keep: tuple[Handle, ...] = field(default=())
    new_generation: bool = False

    @property
    def empty(self) -> bool:
        return not self.stop and not self.start

    @property
    def coming_back(self) -> frozenset[str]:
        """The services that start as the instances that they were."""
        return frozenset(step.service.name for step in self.start if step.instance)

    def starts(self, service: str) -> bool:
        return any(step.service.name == service for step in self.start)

    def to_json(self) -> dict[str, Any]:
        return {
            "stop": [
                {"service": s.handle.service, "why": s.why, "after": sorted(s.after)}
                | ({"behind": s.behind} if s.behind else {})
                for s in self.stop
            ],
            "start": [
                {
                    "service": s.service.name,
                    "tier": str(s.service.tier),
                    "why": s.why,
                    "needs": [str(need) for need in s.service.needs],
                }
                | ({"behind": s.behind} if s.behind else {})
                for s in self.start
            ],
            "keep": [handle.service for handle in self.keep],
        }


def plan(wanted: Sequence[Service], observed: Sequence[Handle], goal: Goal | None = None) -> Plan:
    """The steps from `observed` to `wanted`."""
    goal = goal or Goal()
    by_name = {service.name: service for service in wanted}
    here, elsewhere = by_slot(wanted, observed)
    current, strays = newest_of_each(here)
    back = coming_back.instances(by_name, current, goal.comes_back)
    reasons = _reasons_to_replace(by_name, current, goal, back)
    if not goal.steps_stay:
        reasons |= rerun(wanted, current, reasons)
    stops = [(handle, "a second instance of the same service") for handle in strays]
    stops += [(handle, "restart" if goal.new_generation else "left of another generation") for handle in elsewhere]
    stops += [(current[name], why) for name, why in reasons.items()]
    starts = [
        (
            service,
            reasons.get(service.name, "restart" if goal.new_generation and service.tier is Tier.APP else "not running"),
        )
        for service in wanted
        if (service.name in reasons or service.name not in current) and service.run is not Run.TIMED
    ]
    keep = tuple(handle for name, handle in current.items() if name not in reasons)
    steps = Plan(
        stop=_ordered_stops([(_as_it_is(handle, current), why) for handle, why in stops], by_name),
        start=tuple(_as_it_was(step, back) for step in _ordered_starts(starts, stops)),
        keep=keep,
    )
    if goal.new_generation:
        return _starting_beside(steps, goal.alone, keeps=goal.keeps)
    return _serving_on(steps, goal.serving) if _can_serve_on(steps, by_name.get(goal.serving)) else steps


def _as_it_was(step: Start, back: Mapping[str, str]) -> Start:
    """With the instance that it comes back as, where it does."""
    name = step.service.name
    return replace(step, why=coming_back.WHY, instance=back[name]) if name in back else step


def _reasons_to_replace(
    wanted: dict[str, Service], current: dict[str, Handle], goal: Goal, back: Mapping[str, str]
) -> dict[str, str]:
    """Why each observed service must go, by name; services that share fate follow one another, but for those that
    outlive what comes `back`."""
    reasons: dict[str, str] = {}
    for name, handle in current.items():
        service = wanted.get(name)
        if service is None:
            reasons[name] = "no longer wanted"
        elif handle.state is State.BROKEN:
            reasons[name] = "its process has ended"
        elif goal.selects(name, handle.tier):
            reasons[name] = "restart"
        elif service.fingerprint() != handle.fingerprint and service.run is not Run.TIMED:
            keys = goal.changed.get(name)
            reasons[name] = "its configuration changed" + (f": {keys}" if keys else "")
    while True:
        followers = {
            name: f"{needed} is replaced" if needed in current else f"{needed} is gone"
            for name, handle in current.items()
            if name not in reasons
            if not _has_run(wanted[name], handle)
            for needed, instance in handle.bound.items()
            if not (back.get(needed) == instance and wanted[name].outlives(needed))
            if needed in reasons or needed not in current or current[needed].instance != instance
        }
        if not followers:
            return reasons
        reasons.update(followers)


def _has_run(service: Service, handle: Handle) -> bool:
    """Is it a step that has been done? What it shared its fate with it needs no more."""
    return service.run is Run.ONCE and handle.state is State.COMPLETED


def _as_it_is(handle: Handle, current: dict[str, Handle]) -> Handle:
    """A handle whose service has lost its process, or what it shares its fate with, ends as what is left behind."""
    bound = [(current.get(name), instance) for name, instance in handle.bound.items()]
    alone = any(other is None or other.state is State.BROKEN or other.instance != own for other, own in bound)
    return handle.left_behind() if alone or handle.state is State.BROKEN else handle


def _ordered_stops(stops: Sequence[tuple[Handle, str]], wanted: dict[str, Service]) -> tuple[Stop, ...]:
    """A service ends after those that need it, except where they share fate: then they end together."""
    ending = {handle.service for handle, _ in stops}

    def dependents(name: str) -> frozenset[str]:
        return frozenset(
            other.name
            for other in wanted.values()
            if other.name in ending
            and other.name != name
            and any(need.service == name and not need.bind and not need.order_only for need in other.needs)
        )

    ordered = []
    for handle, why in stops:
        if handle.done:
            after: frozenset[str] = frozenset()  # nothing of it runs
        elif handle.tier == Tier.WARM:
            # It sees to it that no fork outlives its launcher.
            after = frozenset(other.service for other, _ in stops if other.tier != Tier.WARM)
        elif handle.service in wanted:
            after = dependents(handle.service)
        elif handle.tier == Tier.DATA:
            # What is not wanted any more has no known needs: databases end last.
            after = frozenset(other.service for other, _ in stops if other.tier not in (Tier.DATA, Tier.WARM))
        else:
            after = frozenset()
        ordered.append(Stop(handle, why, after))
    return tuple(ordered)


def _ordered_starts(starts: Sequence[tuple[Service, str]], stops: Sequence[tuple[Handle, str]]) -> tuple[Start, ...]:
    """A service starts when everything has ended that must, and may have a port of its: its own instance, whatever that
    calls itself, and what is of its tier. The ports that people know are the gateway's where there is one, and the
    head's where there is none."""

    def hands_on(handle: Handle, service: Service) -> bool:
        among_edge_and_head = {handle.tier, service.tier} == {Tier.EDGE, Tier.APP}
        one_of_both = among_edge_and_head and HEAD in (handle.service, service.name)
        return handle.service == service.name or handle.tier == service.tier or one_of_both

    return tuple(
        Start(service, why, frozenset(handle.service for handle, _ in stops if hands_on(handle, service)))
        for service, why in starts
    )


def _starting_beside(steps: Plan, alone: frozenset[str], *, keeps: bool) -> Plan:
    """What may run twice starts at once; the rest is replaced behind the switch, and the old generation ends last,
    where it is not kept."""

    def stop(step: Stop) -> Stop:
        if step.handle.tier != Tier.APP or step.handle.done:
            return step
        return replace(step, behind=SWITCHED if step.handle.service in alone else DRAINED)

    def start(step: Start) -> Start:
        if step.service.tier is not Tier.APP:
            return step
        if step.service.name in alone and step.service.run is not Run.ONCE:
            return replace(step, after=step.after & alone, behind=SWITCHED)
        return replace(step, after=frozenset())

    stops = tuple(step for step in map(stop, steps.stop) if not (keeps and step.retires))
    return replace(steps, stop=stops, start=tuple(map(start, steps.start)), new_generation=True)


def _can_serve_on(steps: Plan, service: Service | None) -> bool:
    """Is it to start, on something that stays?"""
    ending = {step.handle.service for step in steps.stop}
    return service is not None and steps.starts(service.name) and not ending & set(service.bound_to())


def _serving_on(steps: Plan, serving: str) -> Plan:
    """Nothing ends before the new instance of `serving` is ready, and that waits for no end."""
    replaced = {step.service.name for step in steps.start}

    def stop(step: Stop) -> Stop:
        behind = step.handle.service in replaced and step.handle.tier == Tier.APP and not step.handle.done
        return replace(step, behind=serving) if behind else step

    def start(step: Start) -> Start:
        # What runs to its end may be what the new instance waits for.
        at_once = step.service.name == serving or step.service.run is Run.ONCE
        return replace(step, after=frozenset() if at_once else step.after - {serving})

    return replace(steps, stop=tuple(map(stop, steps.stop)), start=tuple(map(start, steps.start)))
