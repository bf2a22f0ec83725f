"""`status`, `watch` and `page`: what only looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from daybreak.keeper.control.request import Request
from daybreak.keeper.control.subscribers import Subscribers
from daybreak.keeper.page.keeper_page import KeeperPage
from daybreak.keeper.runner import Operation
from daybreak.timeline.status import Snapshot


@dataclass
class Status:
    """The cluster at this moment."""

    snapshot: Callable[[], Awaitable[Snapshot]]

    async def __call__(self, _request: Request, _: Operation) -> dict[str, Any]:
        return (await self.snapshot()).to_json()


@dataclass
class Watch:
    """A snapshot, then every event, until the client goes away."""

    snapshot: Callable[[], Snapshot]
    subscribers: Subscribers

    async def __call__(self, _: Request, operation: Operation) -> dict[str, Any]:
        operation.client.send({"snapshot": self.snapshot().to_json()})
        with self.subscribers.told(operation.client):
            await operation.client.until_gone()
        return {}


@dataclass
class Page:
    """Where the page is served; with `login` an address that logs in once."""

    page: KeeperPage

    async def __call__(self, request: Request, _: Operation) -> dict[str, Any]:
        await self.page.open()
        return {**asdict(self.page.state()), "login": self.page.login() if request.login else None}
