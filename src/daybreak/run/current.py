"""Of what was observed, what counts: the newest instance of each service, in the slot that is wanted. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from daybreak.backends.base import Handle
from daybreak.services.service import Service, Tier


def by_slot(wanted: Sequence[Service], observed: Sequence[Handle]) -> tuple[list[Handle], list[Handle]]:
    """What is where the app tier is wanted, or belongs to no generation; and what is in the other slot."""
    slots = {service.slot for service in wanted if service.tier is Tier.APP}
    here = [handle for handle in observed if handle.tier != Tier.APP or not slots or handle.slot in slots]
    return here, [handle for handle in observed if handle not in here]


def newest_of_each(observed: Sequence[Handle]) -> tuple[dict[str, Handle], list[Handle]]:
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
