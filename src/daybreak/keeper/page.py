"""The keeper's side of the page: when it is served, and what it is told.

Nothing of it is imported before the first response of a start: what the page needs would take the processor from Ray.
Unless that takes long: then somebody wants to see what it waits for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daybreak.health import http
from daybreak.page.door import bind
from daybreak.page.live import Hub
from daybreak.page.source import Site as PageSite
from daybreak.paths import ClusterPaths
from daybreak.services import ingress
from daybreak.services.base import Check, EveryCheck, PortClaim, Service, Tier
from daybreak.services.endpoints import metrics_endpoints
from daybreak.services.monitoring import PAGE_TOKEN
from daybreak.services.ray import HEAD, SERVE
from daybreak.services.serve import routes
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.survey.ports import owner_of
from daybreak.timeline.event import Event, Kind, RunKind

if TYPE_CHECKING:
    from daybreak.page.access import Access
    from daybreak.page.discovery import Target
    from daybreak.page.server import Serving
    from daybreak.page.traffic import Traffic

OPEN_DEADLINE_S = 10.0
# A start that has not answered by now is one to look at.
PATIENCE_S = 10.0
TRAFFIC_TIMEOUT_S = 1.0
THERE = ("starting", "ready")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """A validated spec with everything derived from it."""

    spec: Spec
    site: Site
    services: tuple[Service, ...]


class KeeperPage:
    """Serves a cluster's page. `snapshot` is its status, `begin_restart` starts a restart where nothing else runs."""

    def __init__(
        self,
        paths: ClusterPaths,
        snapshot: Callable[[], Mapping[str, Any]],
        begin_restart: Callable[[], bool],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.paths = paths
        self.snapshot = snapshot
        self.restart = begin_restart
        self._cluster: Cluster | None = None
        self._serving: Serving | None = None
        # Where it has the port, and where it answers there: between the two lie its imports.
        self._bound: PageSite | None = None
        self._served: PageSite | None = None
        self._access: Access | None = None
        self._hub = Hub()
        self._opening: asyncio.Task[None] | None = None
        self._reason = ""
        self._patience_s = patience_s
        self._late: asyncio.TimerHandle | None = None

    # --- when it is served ------------------------------------------------------------------------------------------

    def want(self, cluster: Cluster) -> None:
        """From now on the page is this cluster's; where it is served changes with the next `open`."""
        self._cluster = cluster

    def follow(self, event: Event) -> None:
        """Hand an event to open pages; the first response of a start is the moment to begin serving."""
        self._hub.publish(event)
        if event.kind in (Kind.RUN_BEGAN, Kind.RUN_ENDED):
            self._wait(event)
        if self._cluster is None or event.kind is not Kind.READY:
            return
        if event.service == (SERVE if self._cluster.spec.serve.wanted else HEAD):
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
        wanted = _site(cluster)
        if wanted is None or (self._bound and self._bound.port == wanted.port):
            return []
        return [PortClaim(wanted.listen, wanted.port, "page")]

    def open_soon(self) -> asyncio.Task[None]:
        """Serve the page as the spec has it, in the background."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._settle(), name="opening the page")
        return self._opening

    async def open(self) -> None:
        """Serve the page as the spec has it; returns when it answers, or when it is clear that it will not."""
        await asyncio.wait({self.open_soon()}, timeout=OPEN_DEADLINE_S)

    def end(self) -> None:
        """The cluster has ended: there is nothing to show, and the port is free for whoever comes next."""
        self._cluster = None
        self.leave()

    def leave(self) -> None:
        """End the page at once: the keeper is leaving, and the next one may be waiting for its lock."""
        if self._late:
            self._late.cancel()
        if self._opening:
            self._opening.cancel()
        if self._serving:
            self._serving.leave()
        self._serving = self._served = self._bound = None

    async def _settle(self) -> None:
        """Make what is served what is wanted, until it is; what is wanted may change meanwhile."""
        while (wanted := _site(self._cluster)) != self._served:
            await self._end()
            if (
                wanted is None
                or self._cluster is None
                or not await self._try(wanted, self._cluster.site.secrets[PAGE_TOKEN])
            ):
                return

    async def _try(self, wanted: PageSite, token: str) -> bool:
        """Begin to serve. What goes wrong is told in the status, and fails nothing else."""
        before = self._reason
        try:
            await self._begin(wanted, token)
        except OSError as error:
            owner = owner_of(wanted.port, wanted.listen)
            self._reason = f"port {wanted.port} is in use by {owner}" if owner else str(error.strerror or error)
        except Exception as error:
            log.exception("the page cannot be served")
            self._reason = f"{type(error).__name__}: {error}"
        else:
            self._reason = ""
            return True
        if self._reason != before:
            log.warning("the page is not served: %s", self._reason)
        return False

    async def _begin(self, wanted: PageSite, token: str) -> None:
        began = time.monotonic()
        # First of all: Prometheus starts at this moment, too, and asks for its targets at once.
        door = bind(wanted)
        self._bound = wanted
        try:
            # In a thread, so that the keeper goes on listening to what it has started meanwhile.
            await asyncio.to_thread(_import)
            from daybreak.page.access import Access
            from daybreak.page.server import serve

            self._access = Access(token, wanted.port)
            self._serving = await serve(door, self, self._hub, wanted, self._access)
        except BaseException:
            door.close()
            self._bound = None
            raise
        self._served = wanted
        log.info(
            "the page answers at %s, %.0f ms after it was asked for", wanted.url, 1000 * (time.monotonic() - began)
        )

    async def _end(self) -> None:
        serving, self._serving, self._served = self._serving, None, None
        if serving:
            await serving.close()
            self._hub = Hub()
        self._bound = None

    # --- what others are told about it --------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """For the status: `state` is off, starting, listening or failed; `reason` says why it failed."""
        wanted = self._served or (_site(self._cluster) if self._cluster else None)
        if wanted is None:
            return {"state": "off", "url": None, "reason": ""}
        state = "listening" if self._served else "failed" if self._reason else "starting"
        return {"state": state, "url": wanted.url, "reason": self._reason}

    def login(self) -> str | None:
        """An address that logs in once; None where the page is not served."""
        return f"{self._served.url}?token={self._access.ticket()}" if self._served and self._access else None

    # --- what the page is told ----------------------------------------------------------------------------------------

    def checks(self) -> Mapping[str, str]:
        """The kind of health check of every service that has one."""
        found = {service.name: service.health.check for service in self._services()}
        return {name: _kind(check) for name, check in found.items() if check}

    def routes(self) -> Sequence[str]:
        """The route prefixes of the Serve applications."""
        return routes(self._cluster.spec, self._cluster.site) if self._cluster else ()

    def targets(self) -> list[Target]:
        """The metrics endpoints of nodes that are there now."""
        from daybreak.page.discovery import Target

        if self._cluster is None:
            return []
        there = {row["name"] for row in self.snapshot()["services"] if row["state"] in THERE and row["instance"]}
        endpoints = metrics_endpoints(self._cluster.spec, self._cluster.site)
        return [Target(end.address, end.node, end.component) for end in endpoints if end.node in there]

    async def traffic(self) -> Traffic | None:
        """HAProxy's own statistics."""
        from daybreak.page.traffic import parse

        cluster = self._cluster
        if cluster is None or not ingress.wanted(cluster.spec, cluster.site):
            return None
        try:
            async with asyncio.timeout(TRAFFIC_TIMEOUT_S):
                answer = await http.get(ingress.statistics_url(cluster.site))
        except (OSError, TimeoutError):
            return None
        return parse(answer.text) if answer.status == http.OK else None

    def _services(self) -> tuple[Service, ...]:
        return self._cluster.services if self._cluster else ()


def _kind(check: Check) -> str:
    """A check's kind in one word: of several the first one's."""
    one = check.checks[0] if isinstance(check, EveryCheck) else check
    return type(one).__name__.removesuffix("Check").lower()


def _site(cluster: Cluster | None) -> PageSite | None:
    """Where the page of a cluster belongs; None where it is switched off, or where there is only a template."""
    if cluster is None or not cluster.spec.page.enabled:
        return None
    if all(service.tier is Tier.WARM for service in cluster.services):
        return None
    return PageSite(cluster.spec.listen, cluster.spec.port("page"), cluster.spec.page.names)


def _import() -> None:
    import daybreak.page.server  # noqa: F401
