"""Which services a command names, and which of them it may not be about. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from enum import StrEnum

from daybreak.errors import UsageError
from daybreak.names import GATEWAY, HEAD, SERVE
from daybreak.services.build import Cluster
from daybreak.services.service import Run, Service, Tier


class Verb(StrEnum):
    """What a command does with single services."""

    RESTART = "restart"
    STOP = "stop"
    START = "start"


REDEPLOY = "applications are not started anew by themselves: `daybreak restart --redeploy` replaces them"
STOPS_NOT = {
    HEAD: "head: everything of Ray ends with it: `daybreak down` stops the cluster",
    SERVE: "serve: applications do not stop by themselves: `daybreak pause` lets their requests wait",
    GATEWAY: "gateway: every request comes through it: `daybreak pause` lets them wait; `gateway: false` leaves it out",
}


def named(verb: Verb, names: Sequence[str], cluster: Cluster) -> frozenset[str]:
    """Those that are meant. Raises UsageError with everything that is wrong with the names."""
    known = {service.name: service for service in cluster.services}
    unknown = [name for name in names if name not in known]
    wrong = [f"{cluster.spec.name} has no service {name!r}{_perhaps(name, known)}" for name in unknown]
    wrong += [why for name in dict.fromkeys(names) if name in known and (why := _against(verb, known[name]))]
    if not names:
        wrong = ["no service is named"]
    if wrong:
        hint = f"it has {', '.join(known)}" if unknown else None
        raise UsageError("; ".join(wrong) + "; nothing was changed", hint=hint)
    return frozenset(names)


def _perhaps(name: str, known: dict[str, Service]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _against(verb: Verb, service: Service) -> str:
    """Why it may not be done with this one; empty where it may."""
    if verb is Verb.RESTART and service.name == SERVE:
        return REDEPLOY
    if verb is Verb.RESTART and service.run is Run.TIMED:
        return f"{service.name} is scheduled: `daybreak start {service.name}` runs it now"
    if verb is not Verb.STOP:
        return ""
    if service.tier is Tier.WARM:
        return f"{service.name}: Ray's processes are forked from it: `warm: false` in the spec leaves it out"
    if service.run is Run.ONCE:
        return f"{service.name}: it is run to its end, so there is nothing to stop"
    return STOPS_NOT.get(service.name, "")
