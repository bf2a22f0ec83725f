"""Services that come back as the instances that they were: what outlives them goes on meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from daybreak.backends.base import Handle, State
from daybreak.services.service import Service

WHY = "comes back as it was"


def instances(wanted: Mapping[str, Service], current: Mapping[str, Handle], names: Collection[str]) -> dict[str, str]:
    """The instance that each of `names` was, where it is gone and something runs on that outlives it."""
    found = {}
    for name in names:
        gone = current.get(name)
        if name not in wanted or (gone and gone.state is not State.BROKEN):
            continue
        going_on = [one for one in current.values() if _goes_on(wanted.get(one.service), one, name)]
        known = {one.bound.get(name) for one in going_on}
        if len(known) == 1 and (instance := known.pop()) and (gone is None or gone.instance == instance):
            found[name] = instance
    return found


def outliving(services: Sequence[Service], names: Collection[str]) -> frozenset[str]:
    """Those that go on while any of `names` is away."""
    return frozenset(service.name for service in services if any(map(service.outlives, names)))


def _goes_on(service: Service | None, handle: Handle, name: str) -> bool:
    """Does this instance still run as it is wanted, and outlive the one named?"""
    if service is None or not service.outlives(name) or handle.state is State.BROKEN:
        return False
    return handle.fingerprint == service.fingerprint()
