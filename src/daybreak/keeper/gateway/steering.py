"""Steers the gateway: requests pass while the applications answer, and wait while a run takes them away on purpose.

Where nobody steers, HAProxy's own checks do: what does not answer is not asked. That alone would not do for a restart,
since a proxy answers before it knows its routes.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path

from daybreak.files import replacing
from daybreak.keeper.background import Background
from daybreak.keeper.gateway.certificate import is_renewed, renew
from daybreak.keeper.gateway.ending import close_websockets, drained
from daybreak.keeper.gateway.pause import Page, PauseBook
from daybreak.keeper.gateway.runtime_socket import GatewaySilent, command
from daybreak.names import GATEWAY, HEAD, SERVE
from daybreak.run.plan import Plan
from daybreak.services.build import Cluster
from daybreak.services.edge.gateway import page_file, routes_map, routes_text, runtime_socket, shares_map
from daybreak.services.edge.haproxy_config import DASHBOARD, GRPC, ONCE, WEBSOCKETS
from daybreak.services.site import Site
from daybreak.services.slots import Slot
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.recorder import Recorder

# Of the time that requests wait at most, so much may pass until what is being answered has ended.
DRAIN_SHARE = 0.5
# The backends in which a new generation has its part of the requests by weight; the last one is not always there.
BY_WEIGHT = (ONCE, WEBSOCKETS, GRPC)
# Of both slots together: per cents.
WEIGHTS = 100


class Steering:
    """One cluster's gateway. Without one nothing is done. `pauses` says whether somebody wants requests to wait."""

    def __init__(self, background: Background, pauses: PauseBook) -> None:
        self.pauses = pauses
        self._background = background
        self._cluster: Cluster | None = None
        # Whether the head and the applications are there to be asked, and whether a run is about to take them away.
        self._has_head = False
        self._serves = False
        self._closing = False
        # Whether a generation in the other slot goes on with what it has begun.
        self._leaves = False
        # How many per cent of the requests go to that one.
        self._shared = 0
        self._turn = asyncio.Lock()
        # How many requests waited when they were let go, in the run that has made them wait.
        self._let_go = 0

    def want(self, cluster: Cluster) -> None:
        """From now on it is this cluster's."""
        self._cluster = cluster

    async def turn_to(self, cluster: Cluster, *, leaves: bool) -> None:
        """Requests go to this cluster's generation, which answers, from now on. With `leaves` the one in the other slot
        goes on with what it has begun. Raises GatewaySilent."""
        self._cluster, self._has_head, self._serves, self._closing, self._leaves = cluster, True, True, False, leaves
        self._shared = 0
        await self._steer(cluster)

    async def share(self, percent: int) -> None:
        """So many per cent of the requests go to the generation in the other slot, until they are turned to one of the
        two. Raises GatewaySilent."""
        self._shared = percent
        if self._cluster:
            await self._steer(self._cluster)

    @property
    def there(self) -> bool:
        """Has the cluster a gateway?"""
        return self._cluster is not None and any(one.name == GATEWAY for one in self._cluster.services)

    def end(self) -> None:
        """Nothing is wanted any more, and no pause either."""
        self._cluster = None
        self._has_head = self._serves = self._closing = False
        self._shared = 0
        with contextlib.suppress(OSError):  # a state folder that cannot be written to holds up no stop
            self.pauses.end()

    async def obey(self) -> bool:
        """Make it so at once, after a pause has begun or ended; False where the gateway cannot be told now, and will be
        as soon as it can."""
        cluster = self._cluster
        if cluster is None:
            return False
        try:
            await self._steer(cluster)
        except GatewaySilent:
            self._background.keep("steering the gateway", partial(self._steer, cluster), GATEWAY)
            return False
        return True

    def follow(self, event: Event) -> None:
        """Requests pass from the moment that the applications are ready until the head ends; those to the dashboard as
        soon as the head is."""
        if not self.there:
            return
        ready = event.kind is Kind.READY or (event.kind is Kind.ADOPTED and event.data.get("ready", True))
        if event.service == SERVE and ready:
            self._serves, self._closing = True, False
        elif event.service == HEAD and ready:
            self._has_head = True
        elif event.service == HEAD and event.kind in (Kind.STOPPING, Kind.EXITED, Kind.FAILED):
            self._has_head = self._serves = False
        elif event.kind is Kind.RUN_ENDED:
            self._closing = False
        elif not (event.service == GATEWAY and ready):
            return
        self._later()

    async def before(self, steps: Plan, record: Recorder) -> None:
        """A run begins: where it takes away what answers, requests wait from now on, and those that are being answered
        are waited for."""
        self._let_go = 0  # who waited for something else than this run, such as a pause, is none of its
        kept = any(handle.service == GATEWAY for handle in steps.keep)
        if steps.new_generation or not (
            self.there and kept and any(step.handle.service == HEAD for step in steps.stop)
        ):
            return
        assert self._cluster
        gateway, socket = self._cluster.spec.gateway, runtime_socket(self._cluster.site)
        self._closing = True
        try:
            await self._steer(self._cluster)
            left = await drained(socket, min(gateway.drain, gateway.hold * DRAIN_SHARE))
            closed = await close_websockets(self._cluster) if left.websockets else 0
        except GatewaySilent as error:
            record.emit(Kind.NOTE, GATEWAY, text=f"{error.message}; requests do not wait", level="error")
            return
        if left.requests:
            text = f"{left.requests} requests that are still being answered are cut off"
            record.emit(Kind.NOTE, GATEWAY, text=text, level="error")
        if closed:
            text = f"{closed} WebSockets were closed: their clients wait where they connect again"
            record.emit(Kind.NOTE, GATEWAY, text=text)
        if left.websockets > closed:
            text = f"{left.websockets - closed} WebSockets are cut off: their clients wait where they connect again"
            record.emit(Kind.NOTE, GATEWAY, text=text)

    async def let_go(self) -> int:
        """The run has done its work: see to it that requests pass, where they are to. Returns how many have waited."""
        if self._cluster and self.there:
            await self._steer_quietly(self._cluster)
            with contextlib.suppress(GatewaySilent):  # it is told again when the run has ended
                await self._renew(self._cluster)
        waited, self._let_go = self._let_go, 0
        return waited

    def _later(self) -> None:
        if self._cluster:
            self._background.keep("steering the gateway", partial(self._steer_quietly, self._cluster), GATEWAY)
            if is_renewed(self._cluster.site):
                self._background.keep("the gateway's new certificate", partial(self._renew, self._cluster), GATEWAY)

    async def _steer_quietly(self, cluster: Cluster) -> None:
        """A gateway that is not there yet, or not any more, is told when it is ready."""
        with contextlib.suppress(GatewaySilent):
            await self._steer(cluster)

    async def _renew(self, cluster: Cluster) -> None:
        """Tell it a certificate that was replaced. Raises GatewaySilent."""
        async with self._turn:
            if cluster is self._cluster:
                await renew(cluster.site)

    async def _steer(self, cluster: Cluster) -> None:
        """Make it so; what is meant at this moment counts. Raises GatewaySilent."""
        async with self._turn:
            if cluster is not self._cluster:
                return
            if cluster.spec.dashboard:
                await _ask_dashboard(cluster.site, "ready" if self._has_head and not self._closing else "maint")
            pause, word = self.pauses.now, "hold"
            if pause and pause.page:
                await asyncio.to_thread(_write_page, cluster, pause.page)
                word = "page"
            elif self._serves and not self._closing and not pause:
                await _tell_routes(cluster)
                if self._shared:
                    await _ask_both(cluster.site, self._shared)
                else:
                    await _ask_alone(cluster.site, "drain" if self._leaves else "maint")
                word = "open"
            answer = await command(runtime_socket(cluster.site), f"gateway {word}")
            if not answer.isdigit():
                raise GatewaySilent(f"the gateway does not take `gateway {word}`: {answer}")
            if word == "open":
                self._let_go = max(self._let_go, int(answer))


async def _ask_alone(site: Site, other: str) -> None:
    """The slot of the app tier alone is asked; the other one is in the state `other`. It was just seen to answer:
    HAProxy's own next look may come a moment later."""
    socket, server = runtime_socket(site), f"set server {SERVE}/{site.slot}"
    for backend in (SERVE, *BY_WEIGHT):  # who was killed meanwhile may have left it without
        await command(socket, f"set server {backend}/{site.slot} weight {WEIGHTS}")
    await command(socket, f"{server} state ready")
    await command(socket, f"{server} health up")
    await command(socket, f"set server {SERVE}/{site.slot.other} state {other}")
    for slot in Slot:  # last, so that what the other one fails until then is asked of this one
        await command(socket, f"set map {shares_map(site)} {slot} 0")


async def _ask_both(site: Site, percent: int) -> None:
    """Both slots are asked, the other one for so many per cent of the requests."""
    socket, other = runtime_socket(site), site.slot.other
    # Nothing comes there by itself until what it fails is asked of this one. What may be asked twice is shared out
    # before, so in SERVE it has no weight.
    for backend in (SERVE, *BY_WEIGHT):
        await command(socket, f"set server {backend}/{other} weight 0")
    for slot in (site.slot, other):
        await command(socket, f"set server {SERVE}/{slot} state ready")
        await command(socket, f"set server {SERVE}/{slot} health up")
    await command(socket, f"set map {shares_map(site)} {other} {percent}")
    for slot, weight in ((site.slot, WEIGHTS - percent), (other, percent)):
        for backend in BY_WEIGHT:
            await command(socket, f"set server {backend}/{slot} weight {weight}")


async def _ask_dashboard(site: Site, state: str) -> None:
    """The dashboard of the app tier's slot alone is asked, where it is ready: one whose GCS has ended before it says so
    in its answers."""
    socket = runtime_socket(site)
    await command(socket, f"set server {DASHBOARD}/{site.slot} state {state}")
    await command(socket, f"set server {DASHBOARD}/{site.slot.other} state maint")


def _write_page(cluster: Cluster, page: Page) -> None:
    """For the gateway, which reads it when it is told to answer it."""
    text = f"{page.content_type}\n".encode() + page.content
    with replacing(Path(page_file(cluster.site))) as file:
        file.write(text)


async def _tell_routes(cluster: Cluster) -> None:
    """Which application has which route: another spec may have other ones."""
    socket, place = runtime_socket(cluster.site), routes_map(cluster.site)
    there = {
        line.split(None, 1)[1] for line in (await command(socket, f"show map {place}")).splitlines() if " " in line
    }
    wanted = routes_text(cluster.spec, cluster.site).splitlines()
    if there == set(wanted):
        return
    await command(socket, f"clear map {place}")
    for line in wanted:
        await command(socket, f"add map {place} {line}")
