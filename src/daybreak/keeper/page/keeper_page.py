"""When a cluster's page is served.

Nothing of it is imported before the first response of a start: what the page needs would take the processor from Ray.
Unless that takes long: then somebody wants to see what it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from daybreak.keeper.background import Background
from daybreak.keeper.gateway.traffic import Traffic
from daybreak.keeper.page.page_server import Failed, Listening, PageServer
from daybreak.keeper.page.page_source import PageSource
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster
from daybreak.services.ray.serve_config import answering
from daybreak.services.service import PortClaim, Tier
from daybreak.services.watching.processes import PAGE_TOKEN, SCRAPE_TOKEN
from daybreak.show.page.source import Address
from daybreak.states import PageState
from daybreak.timeline.event import Event, Kind, RunKind
from daybreak.timeline.status import PageStatus, Snapshot

OPEN_DEADLINE_S = 10.0
# A start that has not answered by now is one to look at.
PATIENCE_S = 10.0


class KeeperPage:
    """Serves a cluster's page. `snapshot` is its status, `begin_restart` starts a restart where nothing else runs.
    `traffic` is what the gateway counts."""

    def __init__(
        self,
        paths: ClusterPaths,
        snapshot: Callable[[], Snapshot],
        begin_restart: Callable[[], bool],
        background: Background,
        traffic: Traffic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._source = PageSource(paths, snapshot, begin_restart, traffic)
        self._server = PageServer(self._source)
        self._background = background
        self._opening: asyncio.Task[None] | None = None
        self._patience_s = patience_s
        self._late: asyncio.TimerHandle | None = None

    def want(self, cluster: Cluster) -> None:
        """From now on the page is this cluster's; where it is served changes with the next `open`."""
        self._source.cluster = cluster

    def follow(self, event: Event) -> None:
        """Hand an event to open pages; the first response of a start is the moment to begin serving."""
        self._server.hub.publish(event)
        if event.kind in (Kind.RUN_BEGAN, Kind.RUN_ENDED):
            self._wait(event)
        cluster = self._source.cluster
        if cluster and event.kind is Kind.READY and event.service == answering(cluster.spec):
            self.open_soon()

    def _wait(self, event: Event) -> None:
        """Begin, or end, to wait for the first response of a run."""
        if self._late:
            self._late.cancel()
            self._late = None
        if event.kind is Kind.RUN_BEGAN and event.data.get("run_kind") != RunKind.STOP:
            self._late = asyncio.get_running_loop().call_later(self._patience_s, self.open_soon)

    def claims(self, cluster: Cluster) -> list[PortClaim]:
        """The port that the page of this cluster would take, unless the page has it already."""
        wanted = _address(cluster)
        if wanted is None or self._server.port == wanted.port:
            return []
        return [PortClaim(wanted.listen, wanted.port, "page")]

    @property
    def is_opening(self) -> bool:
        """Whether it is being brought to where it is wanted."""
        return self._opening is not None and not self._opening.done()

    def open_soon(self) -> asyncio.Task[None]:
        """Serve the page as the spec has it, in the background."""
        if self._opening is None or self._opening.done():
            self._opening = self._background.keep("opening the page", self._settle)
        return self._opening

    async def open(self) -> None:
        """Serve the page as the spec has it; returns when it answers, or when it is clear that it will not."""
        await asyncio.wait({self.open_soon()}, timeout=OPEN_DEADLINE_S)

    def end(self) -> None:
        """The cluster has ended: there is nothing to show, and the port is free for whoever comes next."""
        self._source.cluster = None
        self.leave()

    def leave(self) -> None:
        """End the page at once: the keeper is leaving, and the next one may be waiting for its lock."""
        if self._late:
            self._late.cancel()
        if self._opening:
            self._opening.cancel()
        self._server.leave()

    async def _settle(self) -> None:
        """Make what is served what is wanted, until it is; what is wanted may change meanwhile."""
        while (wanted := _address(self._source.cluster)) != self._served():
            await self._server.close()
            cluster = self._source.cluster
            if wanted is None or cluster is None:
                return
            tokens = (cluster.site.secrets[name] for name in (PAGE_TOKEN, SCRAPE_TOKEN))
            if not await self._server.open(wanted, *tokens):
                return

    def _served(self) -> Address | None:
        return self._server.state.at if isinstance(self._server.state, Listening) else None

    def state(self) -> PageStatus:
        """For the status."""
        now, wanted = self._server.state, self._served() or _address(self._source.cluster)
        if wanted is None:
            return PageStatus()
        reason = now.reason if isinstance(now, Failed) else ""
        if isinstance(now, Listening):
            return PageStatus(PageState.LISTENING, wanted.url)
        return PageStatus(PageState.FAILED if reason else PageState.STARTING, wanted.url, reason)

    def login(self) -> str | None:
        """An address that logs in once; None where the page is not served."""
        now = self._server.state
        return f"{now.at.url}?token={now.access.ticket()}" if isinstance(now, Listening) else None


def _address(cluster: Cluster | None) -> Address | None:
    """Where the page of a cluster belongs; None where it is switched off, or where there is only a template."""
    if cluster is None or not cluster.spec.page.enabled:
        return None
    if all(service.tier is Tier.WARM for service in cluster.services):
        return None
    return Address(cluster.spec.listen, cluster.spec.port("page"), cluster.spec.page.names)
