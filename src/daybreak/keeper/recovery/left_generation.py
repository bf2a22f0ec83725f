"""What is left of another generation than the one that serves: of a run that was killed, or of one that has failed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

from daybreak.backends.base import Backend, Handle, in_slot
from daybreak.errors import DaybreakError
from daybreak.keeper.gateway.ending import let_end
from daybreak.keeper.gateway.runtime_socket import GatewaySilent
from daybreak.keeper.wanted.desired import Target
from daybreak.services.service import Tier
from daybreak.services.slots import Slot


async def clear(backend: Backend, handles: Iterable[Handle], slot: Slot) -> None:
    """End what is left in a slot that serves nobody. Raises DaybreakError where something does not end."""
    left = [handle for handle in in_slot(handles, slot) if handle.tier == Tier.APP]
    results = await asyncio.gather(*map(backend.stop, left), return_exceptions=True)
    for result in results:
        if isinstance(result, DaybreakError | OSError):
            raise result if isinstance(result, DaybreakError) else DaybreakError(str(result))


async def end_left(backend: Backend, observed: Sequence[Handle], now: Target) -> None:
    """End the generation in the other slot than `now` has, after what it was asked while it served. Raises
    DaybreakError where something of it does not end."""
    slot, cluster = now.state.slot.other, now.cluster
    with contextlib.suppress(GatewaySilent):
        await let_end(cluster, slot)
    await clear(backend, observed, slot)


def left(handles: Iterable[Handle], slot: Slot) -> frozenset[str]:
    """The instances of another generation than the one in this slot."""
    return frozenset(handle.instance for handle in handles if handle.tier == Tier.APP and handle.slot is not slot)
