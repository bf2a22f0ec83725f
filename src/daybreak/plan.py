"""What must be done: the difference between what is wanted and what was observed.

Pure: no clock, no process, no socket. Whoever reads a `Plan` knows what daybreak is about to do, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from daybreak.backends.base import Handle, State
from daybreak.services.base import Service, Tier


@dataclass(frozen=True)
class Goal:
    """What the user asked for beyond the wanted services themselves.

    `replace_tiers` and `replace_services` are started anew even where nothing differs: that is all a restart is.
    """

    replace_tiers: frozenset[Tier] = frozenset()
    replace_services: frozenset[str] = frozenset()

    def selects(self, service: str, tier: str) -> bool:
        return service in self.replace_services or tier in self.replace_tiers


@dataclass(frozen=True)
class Stop:
    """End one instance; after every service in `after` has ended."""

    handle: Handle
    why: str
    after: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Start:
    """Start one service; after every instance of `after` has ended. Its needs order it among the other starts."""

    service: Service
    why: str
    after: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """The steps. `keep` is left exactly as it is."""

    stop: tuple[Stop, ...] = ()
    start: tuple[Start, ...] = ()
    keep: tuple[Handle, ...] = field(default=())

    @property
    def empty(self) -> bool:
        return not self.stop and not self.start

    def starts(self, service: str) -> bool:
        return any(step.service.name == service for step in self.start)

    def to_json(self) -> dict[str, Any]:
        return {
            "stop": [{"service": s.handle.service, "why": s.why, "after": sorted(s.after)} for s in self.stop],
            "start": [
                {
                    "service": s.service.name,
                    "tier": str(s.service.tier),
                    "why": s.why,
                    "needs": [f"{n.service}.{n.gate}" if n.gate else n.service for n in s.service.needs],
                }
                for s in self.start
            ],
            "keep": [handle.service for handle in self.keep],
        }


def plan(wanted: Sequence[Service], observed: Sequence[Handle], goal: Goal | None = None) -> Plan:
    """The steps from `observed` to `wanted`."""
    goal = goal or Goal()
    by_name = {service.name: service for service in wanted}
    current, strays = _newest_of_each(observed)
    reasons = _reasons_to_replace(by_name, current, goal)
    stops = [(handle, "a second instance of the same service") for handle in strays]
    stops += [(current[name], why) for name, why in reasons.items()]
    starts = [
        (service, reasons.get(service.name, "not running"))
        for service in wanted
        if service.name in reasons or service.name not in current
    ]
    keep = tuple(handle for name, handle in current.items() if name not in reasons)
    return Plan(
        stop=_ordered_stops([(_as_it_is(handle, current), why) for handle, why in stops], by_name),
        start=_ordered_starts(starts, stops),
        keep=keep,
    )


def _newest_of_each(observed: Sequence[Handle]) -> tuple[dict[str, Handle], list[Handle]]:
    """One instance per service name; the older ones are strays (a start that a crash cut off)."""
    current: dict[str, Handle] = {}
    strays: list[Handle] = []
    for handle in sorted(observed, key=_age, reverse=True):
        if handle.service in current:
            strays.append(handle)
        else:
            current[handle.service] = handle
    return current, strays


def _age(handle: Handle) -> tuple[int, int, float]:
    """Greater is newer. The wall clock, which may be set back, counts last: only containers have nothing better."""
    return handle.generation, handle.started_ticks, handle.started_wall


def _reasons_to_replace(wanted: dict[str, Service], current: dict[str, Handle], goal: Goal) -> dict[str, str]:
    """Why each observed service must go, by name; services that share fate follow one another."""
    reasons: dict[str, str] = {}
    for name, handle in current.items():
        service = wanted.get(name)
        if service is None:
            reasons[name] = "no longer wanted"
        elif handle.state is State.BROKEN:
            reasons[name] = "its process has ended"
        elif goal.selects(name, handle.tier):
            reasons[name] = "restart"
        elif service.fingerprint() != handle.fingerprint:
            reasons[name] = "its configuration changed"
    while True:
        followers = {
            name: f"{needed} is replaced" if needed in current else f"{needed} is gone"
            for name, handle in current.items()
            if name not in reasons
            for needed, instance in handle.bound.items()
            if needed in reasons or needed not in current or current[needed].instance != instance
        }
        if not followers:
            return reasons
        reasons.update(followers)


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
        if handle.tier == Tier.WARM:
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
    """A service starts when everything of its tier that must end has ended, since ports are handed on."""
    return tuple(
        Start(
            service,
            why,
            frozenset(handle.service for handle, _ in stops if handle.tier == service.tier),
        )
        for service, why in starts
    )
