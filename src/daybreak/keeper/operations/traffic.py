"""`traffic`: what the gateway counts, told second by second until the client goes away, or the gateway does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from daybreak.errors import KeeperError
from daybreak.keeper.control.control_socket import Client
from daybreak.keeper.control.request import Request
from daybreak.keeper.control.subscribers import Subscribers
from daybreak.keeper.followers import Followers
from daybreak.keeper.runner import Operation, Runner
from daybreak.names import GATEWAY

# A second is told so long after its end: lines come within some ms.
LATE_S = 0.1
# So many seconds before are told first.
PAST_S = 60


@dataclass
class FollowTraffic:
    """Events are told as well: a restart is a part of the picture."""

    followers: Followers
    runner: Runner
    subscribers: Subscribers

    async def __call__(self, _: Request, operation: Operation) -> dict[str, Any]:
        traffic = self.followers.traffic
        if not traffic.listens:
            cluster = self.followers.desired.cluster
            why = cluster.site.absent.get(GATEWAY) if cluster else None
            raise KeeperError(f"the cluster has no gateway, which would count its requests{(why and f': {why}') or ''}")
        with self.subscribers.told(operation.client):
            second = int(traffic.now())
            for past in traffic.seconds(PAST_S):
                operation.client.send({"past": {**past, "run": None}})
            while traffic.listens and not await _gone(operation.client, second + 1 + LATE_S - traffic.now()):
                run = str(self.runner.kind) if self.runner.kind else None
                operation.client.send({"second": {**traffic.second(second), "run": run}})
                # Where the keeper, or the machine, has stood still, seconds are left out.
                second = max(second + 1, int(traffic.now() - LATE_S))
        return {}


async def _gone(client: Client, within_s: float) -> bool:
    """Wait until the client has gone; False where it has not by then."""
    try:
        async with asyncio.timeout(max(within_s, 0.0)):
            await client.until_gone()
    except TimeoutError:
        return False
    return True
