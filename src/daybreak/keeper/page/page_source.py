"""What the keeper tells the page, beside what the page reads from disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daybreak.health import http
from daybreak.keeper.gateway.traffic import Traffic as GatewayTraffic
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster
from daybreak.services.ray import haproxy
from daybreak.services.ray.metrics import NODE, metrics_endpoints
from daybreak.services.ray.serve_routes import routes
from daybreak.services.service import Check, EveryCheck
from daybreak.states import ServiceState
from daybreak.timeline.status import Snapshot

if TYPE_CHECKING:
    from daybreak.show.page.application_requests import ApplicationRequests
    from daybreak.show.page.discovery import Target
    from daybreak.show.page.haproxy_stats import Traffic

TRAFFIC_TIMEOUT_S = 1.0
THERE = (ServiceState.STARTING, ServiceState.READY)


class PageSource:
    """`snapshot` is the cluster's status, `restart` begins a restart where nothing else runs; `gateway` counts."""

    def __init__(
        self,
        paths: ClusterPaths,
        snapshot: Callable[[], Snapshot],
        restart: Callable[[], bool],
        gateway: GatewayTraffic,
    ) -> None:
        self.paths = paths
        self.snapshot = snapshot
        self.restart = restart
        self.cluster: Cluster | None = None
        self._gateway = gateway

    def checks(self) -> Mapping[str, str]:
        """The kind of health check of every service that has one."""
        services = self.cluster.services if self.cluster else ()
        return {service.name: _kind(service.health.check) for service in services if service.health.check}

    def routes(self) -> Sequence[str]:
        """The route prefixes of the Serve applications."""
        return routes(self.cluster.spec, self.cluster.site) if self.cluster else ()

    def targets(self) -> list[Target]:
        """The metrics endpoints of nodes that are there now, also on other machines."""
        from daybreak.show.page.discovery import Target

        if self.cluster is None:
            return []
        now = self.snapshot()
        there = {row.name for row in now.services if row.state in THERE and row.instance}
        endpoints = metrics_endpoints(self.cluster.spec, self.cluster.site)
        here = [Target(end.address, end.node, end.component) for end in endpoints if end.node in there]
        return here + [
            Target(str(node["metrics_at"]), f"{host['name']}/{node['name']}", NODE)
            for host in now.hosts
            for node in host.get("nodes") or ()
            if node.get("metrics_at") and node.get("state") in THERE
        ]

    def requests(self) -> Sequence[ApplicationRequests]:
        """What the gateway has counted."""
        from daybreak.keeper.gateway.exposed import exposed

        return [exposed(name, counts) for name, counts in self._gateway.totals().items()]

    def seconds(self, count: int) -> Sequence[Mapping[str, Any]]:
        """The last whole seconds at the gateway; none without one."""
        return self._gateway.seconds(count)

    async def traffic(self) -> Traffic | None:
        """HAProxy's own statistics."""
        from daybreak.show.page.haproxy_stats import parse

        cluster = self.cluster
        if cluster is None or not haproxy.wanted(cluster.spec, cluster.site):
            return None
        try:
            async with asyncio.timeout(TRAFFIC_TIMEOUT_S):
                answer = await http.get(haproxy.statistics_url(cluster.site))
        except (OSError, TimeoutError):
            return None
        return parse(answer.text) if answer.status == http.OK else None


def _kind(check: Check) -> str:
    """A check's kind in one word: of several the first one's."""
    one = check.checks[0] if isinstance(check, EveryCheck) else check
    return type(one).__name__.removesuffix("Check").lower()
