"""A new generation gets a part of the requests first, and all of them only where it answers as well as the old one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from daybreak.errors import DaybreakError
from daybreak.health.tail import sizes
from daybreak.keeper.followers import Followers
from daybreak.keeper.gateway.counts import Counts
from daybreak.keeper.gateway.traffic import Window
from daybreak.keeper.generations.warm_up import not_well
from daybreak.keeper.wanted.desired import Target
from daybreak.names import GATEWAY, SERVE
from daybreak.run.canary import Seen, Step, worse
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

LOOK_S = 0.2
# Where so many requests have come while the new one was asked for a part of them, and none to it, it was not there.
MANY = 200


@dataclass
class Canary:
    """Carries out these steps."""

    followers: Followers
    steps: Sequence[Step]

    async def __call__(self, before: Target, target: Target, record: Recorder) -> None:
        """Raises DaybreakError where the new generation is worse: then requests are to go back."""
        traffic = self.followers.traffic
        windows = [traffic.begin(str(one.state.slot)) for one in (before, target)]
        old, new = windows
        if old is None or new is None:
            raise DaybreakError("the gateway does not tell of requests: nothing could be compared")
        logs = sizes(next(one for one in target.cluster.services if one.name == SERVE).logs)
        try:
            for step in self.steps:
                await self.followers.gateway.share(step.percent)
                text = f"{step.percent} % of the requests go to generation {target.state.generation}"
                record.emit(Kind.NOTE, GATEWAY, text=f"{text} for {step.for_s:g} s")
                if why := await _seen_worse(old, new, step.for_s):
                    raise not_well(target.cluster, why, logs)
        finally:
            traffic.forget(old)
            traffic.forget(new)
        told = f"{new.counts.requests:,} requests to the new version, {old.counts.requests:,} to the one before"
        record.emit(Kind.NOTE, GATEWAY, text=f"compared: {told}")


async def _seen_worse(old: Window, new: Window, for_s: float) -> str:
    """Compare them for so long; why the new one is worse, empty where it is not."""
    loop = asyncio.get_running_loop()
    end = loop.time() + for_s
    while not (why := worse(seen(old.counts), seen(new.counts))) and loop.time() < end:
        await asyncio.sleep(min(LOOK_S, max(0.0, end - loop.time())))
    if not why and not new.counts.requests and old.counts.requests >= MANY:
        return f"none of {old.counts.requests:,} requests reached the new version"
    return why


def seen(counts: Counts) -> Seen:
    """What counts of it. Who did not wait for an answer says nothing."""
    told = counts.to_json()
    bad = counts.failed + counts.errors
    return Seen(counts.requests - counts.left, bad, told["p50_ms"], told["p99_ms"])
