"""Where Ray tells metrics. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from daybreak.names import HEAD
from daybreak.services.ray import haproxy
from daybreak.services.ray.addresses import node_address, node_names
from daybreak.services.site import Site
from daybreak.spec.model import Spec

# What a raylet's agent tells of its node.
NODE = "node"


@dataclass(frozen=True)
class Endpoint:
    """`address` answers `/metrics`; `node` is the service it belongs to, `component` what tells them."""

    address: str
    node: str
    component: str


def metrics_endpoints(spec: Spec, site: Site) -> tuple[Endpoint, ...]:
    """Every metrics endpoint of a cluster that runs: one for each node, and those of the head's helpers that run."""
    found = [
        Endpoint(f"{node_address(site, node)}:{site.ports[f'{node}.metrics']}", node, NODE) for node in node_names(spec)
    ]
    if spec.dashboard:
        found.append(Endpoint(f"{site.head_ip}:{site.ports[f'{HEAD}.dashboard_metrics']}", HEAD, "dashboard"))
    if spec.ray.autoscaler_monitor:
        found.append(Endpoint(f"{site.head_ip}:{site.ports[f'{HEAD}.autoscaler_metrics']}", HEAD, "autoscaler"))
    if haproxy.wanted(spec, site):
        found.append(
            Endpoint(f"{haproxy.pages_address(site)}:{site.ports[f'{HEAD}.haproxy_metrics']}", HEAD, "haproxy")
        )
    return tuple(found)
