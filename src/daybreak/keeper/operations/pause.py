"""`pause` and `resume`: what becomes of requests at the gateway, whatever else is under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from daybreak.errors import DaybreakError, NotRunning, PreflightError, UsageError
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.gateway.pause import Page, Pause
from daybreak.keeper.runner import Operation
from daybreak.names import GATEWAY
from daybreak.services.build import Cluster
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder
from daybreak.timeline.status import Snapshot

NOT_NOW = "the gateway cannot be told now: it will be as soon as it answers"


@dataclass
class PauseRequests:
    """Requests wait from now on, or get a page. Again: what is given now counts, and the pause goes on."""

    name: str
    followers: Followers
    record: Recorder
    snapshot: Callable[[], Snapshot]

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        cluster = self.followers.desired.cluster
        if cluster is None:
            raise NotRunning(self.name)
        gateway = self.followers.gateway
        if not gateway.there:
            raise _no_gateway(cluster)
        page = Page.from_json(request.page) if request.page is not None else None
        before = gateway.pauses.now
        try:
            # In a thread: it waits for the disk.
            await asyncio.to_thread(gateway.pauses.begin, Pause(before.since if before else time.time(), page))
        except OSError as error:
            raise PreflightError([f"the pause cannot be kept: {error}"], hint="free some space") from error
        text = "paused: requests get a page" if page else "paused: requests wait"
        self.record.emit(Kind.NOTE, GATEWAY, text=text)
        if not await gateway.obey():
            operation.note(NOT_NOW)
        return {"status": self.snapshot().to_json()}


@dataclass
class Resume:
    """Requests pass again. Without a pause nothing is done."""

    name: str
    followers: Followers
    record: Recorder
    snapshot: Callable[[], Snapshot]

    async def __call__(self, _: Request, operation: Operation) -> dict[str, Any]:
        gateway = self.followers.gateway
        if self.followers.desired.cluster is None and gateway.pauses.now is None:
            raise NotRunning(self.name)
        if gateway.pauses.now is None:
            operation.note("it was not paused")
        else:
            try:
                gateway.pauses.end()
            except OSError as error:
                raise PreflightError([f"the pause cannot be ended: {error}"]) from error
            self.record.emit(Kind.NOTE, GATEWAY, text="resumed")
            if gateway.there and not await gateway.obey():
                operation.note(NOT_NOW)
        return {"status": self.snapshot().to_json()}


def _no_gateway(cluster: Cluster) -> DaybreakError:
    """Why there is none in which requests could wait."""
    spec, what = cluster.spec, "there is no gateway in which requests could wait"
    if not spec.serve.wanted:
        return UsageError(f"{what}: the spec has no applications")
    if not spec.gateway.enabled:
        return UsageError(f"{what}: the spec has `gateway: false`", hint="remove it, then `daybreak up`")
    return PreflightError([f"{what}: {cluster.site.absent.get(GATEWAY, 'this cluster was started without one')}"])
