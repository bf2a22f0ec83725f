"""`invite`, `remove_host` and `leave`: which machines the cluster has."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daybreak.errors import DaybreakError, UsageError
from daybreak.keeper.control.request import Request
from daybreak.keeper.hosts.carrying import Carrying
from daybreak.keeper.hosts.company import Company
from daybreak.keeper.hosts.hosting import Hosting
from daybreak.keeper.hosts.link import Link
from daybreak.keeper.hosts.wire import NotReached
from daybreak.keeper.operations.down import Down
from daybreak.keeper.runner import Operation

# Draining has deadlines of its own: twice that of the gateway, and what Ray takes to be told.
LEAVE_S = 600.0
# Whoever tells logs says so often at least that there are none.
TOLD_S = 30.0
MOST_MINUTES, MOST_USES = 7 * 24 * 60, 1000


@dataclass
class Invite:
    """Another machine may join; or with `revoke` none may."""

    hosting: Hosting

    async def __call__(self, request: Request, _: Operation) -> dict[str, Any]:
        if request.revoke:
            return {"revoked": await self.hosting.revoke()}
        if not 0 < request.minutes <= MOST_MINUTES or not 1 <= request.uses <= MOST_USES:
            raise UsageError(
                f"an invitation counts for up to {MOST_MINUTES} minutes and {MOST_USES} hosts; nothing was changed"
            )
        return await self.hosting.invite(request.minutes, request.uses)


@dataclass
class RemoveHost:
    """Its nodes are drained, then it stops them."""

    company: Company

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        told = await self.company.remove(request.host)
        if not told:
            operation.note(f"host {request.host} does not answer: it stops its nodes when it is there again")
        return {"removed": request.host, "told": told}


@dataclass
class HostLogs:
    """What a host's logs say, as it tells it, until its end or until the client goes away."""

    company: Company

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        if not isinstance(request.logs, Mapping):
            raise UsageError("it is not said which logs are meant")
        async with self.company.logs.asked(request.host, request.logs) as line:
            over = False
            while not operation.client.gone and not over:
                said = await line.receive(TOLD_S)
                await operation.client.send_all({"said": said})
                over = "now" in said and not request.logs.get("follow")
        return {}


@dataclass
class StopHere:
    """`down` of somebody who is here: a host follows the first machine no more until `up`."""

    down: Down
    link: Link

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        with self.link.ended():
            return await self.down(request, operation)


@dataclass
class Leave:
    """The first machine drains the nodes of this host, then they stop; nothing of the membership is left."""

    carrying: Carrying
    down: Down

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        link = self.carrying.link
        if link.membership is None:
            raise UsageError("this machine is no host of another one's cluster; nothing was changed")
        if not request.now:
            await self._ask(operation)
        left = link.membership
        with link.ended():
            await self.down(Request("down", pid=request.pid, hooks=False), operation)
            link.forget()
        return {"left": str(left.place), "name": left.name}

    async def _ask(self, operation: Operation) -> None:
        operation.note("asking the first machine to drain the nodes of this host")
        try:
            async with asyncio.timeout(LEAVE_S):
                await self.carrying.link.leave()
        except (NotReached, TimeoutError) as error:
            why = error.message if isinstance(error, DaybreakError) else f"not drained within {LEAVE_S:g} s"
            raise DaybreakError(
                why,
                hint="`daybreak leave --now` stops its nodes without that; on the first machine `daybreak hosts "
                "remove NAME` then forgets it",
            ) from error
