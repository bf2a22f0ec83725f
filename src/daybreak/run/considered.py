"""What a run may start: not all that is wanted is started by every run. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from daybreak.backends.base import Handle, State
from daybreak.services.service import Run, Service


def considered(
    services: Sequence[Service], observed: Sequence[Handle], stopped: Collection[str] = (), *, recovers: bool = False
) -> list[Service]:
    """Those of `services` that a run looks at, without needs of the others: not those that the user has `stopped`.

    What `recovers` runs no step again: those that need it have run after it once. What is scheduled is started by its
    schedule alone.
    """
    there = {handle.service for handle in observed if handle.state is not State.BROKEN}
    ending = {one.name for one in services if one.run is Run.TIMED or (recovers and one.run is Run.ONCE)}
    return without(services, (ending - there) | set(stopped))


def without(services: Sequence[Service], out: Collection[str]) -> list[Service]:
    """All but those named; nothing waits for them."""
    return [
        replace(one, needs=tuple(need for need in one.needs if need.bind or need.service not in out))
        for one in services
        if one.name not in out
    ]
