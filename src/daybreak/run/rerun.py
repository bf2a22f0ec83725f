"""Which steps are run again: a step, such as a migration, comes before each start of what needs it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from daybreak.backends.base import Handle
from daybreak.services.service import Run, Service


def rerun(wanted: Sequence[Service], current: Mapping[str, Handle], replaced: Collection[str]) -> dict[str, str]:
    """Why each step that has been done is run again, by name: something starts that needs it."""
    steps = {service.name for service in wanted if service.run is Run.ONCE and service.name in current}
    starting = {one.name for one in wanted if one.name in replaced or one.name not in current}
    found: dict[str, str] = {}
    while True:
        needed = {
            need.service: f"{service.name} starts"
            for service in wanted
            if service.name in starting
            for need in service.needs
            if need.service in steps - starting
        }
        if not needed:
            return found
        found |= needed
        starting |= set(needed)
