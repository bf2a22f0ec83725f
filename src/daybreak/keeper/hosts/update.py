"""A host becomes what the first machine wants of it: the code first, then where the head is; each is fetched only where
it differs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.keeper.background import Background
from daybreak.keeper.hosts import wanted
from daybreak.keeper.hosts.membership import JoinedFolder, Membership
from daybreak.keeper.hosts.offer import Offer
from daybreak.keeper.hosts.wire import NotReached, connected
from daybreak.states import ServiceState

# Between attempts to apply what could not be.
AGAIN_S = 10.0
log = logging.getLogger(__name__)


class Update:
    """One host's. `apply` makes its nodes what the membership says, and where it is told so also as many; `changed` is
    called when anything here is other than it was. `stopped`: its nodes were ended, since nothing ran on the first
    machine. `trouble` says why what is wanted cannot be."""

    def __init__(
        self,
        folder: JoinedFolder,
        background: Background,
        nodes: Callable[[], Sequence[dict[str, Any]]],
        apply: Callable[[Membership, bool], Awaitable[None]],
        changed: Callable[[], None],
    ) -> None:
        self._folder, self._background = folder, background
        self._nodes, self._apply, self._changed = nodes, apply, changed
        self.membership = folder.load()
        self.stopped = False
        self.trouble = ""
        self._task: asyncio.Task[None] | None = None
        self._tried_s = -AGAIN_S

    def hear(self, orders: Mapping[str, Any]) -> None:
        """Begin what is to be done, if anything is, and nothing is under way."""
        assert self.membership
        now, again = asyncio.get_running_loop().time(), bool(self.trouble) or self._failed
        has = (self.membership.offer.serial, self.membership.code)
        differs = has != (orders["serial"], orders.get("code")) or self._other(orders) is not None
        under_way = self._task is not None and not self._task.done()
        if under_way or not (differs or self.stopped or again) or (again and now - self._tried_s < AGAIN_S):
            return
        self._tried_s = now
        self._task = self._background.keep("taking over what the first machine wants", partial(self._change, orders))

    async def end(self) -> None:
        """Nothing is under way afterwards."""
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def cancel(self) -> None:
        if self._task:
            self._task.cancel()
        self.stopped = False

    @property
    def _failed(self) -> bool:
        """Nodes that are given up: the head was away for long."""
        return any(node.get("state") == ServiceState.FAILED for node in self._nodes())

    async def _change(self, orders: Mapping[str, Any]) -> None:
        try:
            await self._fetch_and_apply(orders)
            self.stopped, self.trouble = False, ""
        except NotReached as error:
            log.info("the first machine: %s", error.message)
        except (DaybreakError, OSError, KeyError, ValueError) as error:
            self.trouble = error.message if isinstance(error, DaybreakError) else f"{type(error).__name__}: {error}"
            log.warning("what the first machine wants cannot be: %s", self.trouble)
        self._changed()

    async def _fetch_and_apply(self, orders: Mapping[str, Any]) -> None:
        assert self.membership
        member, identity = self.membership, self._folder.own
        if member.code != orders.get("code"):
            async with connected(member.place, identity) as line:
                member = member.with_code(await wanted.fetch_code(line, self._folder.code))
            self._have(member)
        same, own = member.offer.serial == orders["serial"], self._other(orders)
        if not same:
            async with connected(member.place, identity) as line:
                line.send({"op": "offer"})
                member = member.with_offer(Offer.from_json((await line.receive())["offer"]))
        if own is not None:
            member = member.with_own(own)
        if not same or own is not None or self.stopped or self.trouble or self._failed:
            # What is started reads them.
            await asyncio.to_thread(self._folder.write_files, member)
            await self._apply(member, own is not None)
            self._have(member)

    def _other(self, orders: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What the first machine's spec says of the workers here, where that is not what they are."""
        own = orders.get("own")
        return own if isinstance(own, Mapping) and self.membership and own != self.membership.own else None

    def _have(self, member: Membership) -> None:
        self._folder.save(member)
        self.membership = member
        self._changed()
