"""Names, ports, folders and addresses of Ray's nodes, and the URLs of what answers there. Pure.

Every port is given: a raylet whose agents' ports are unknown waits seconds for their port files (ray-project/ray
pull request 59613), and nodes that share a machine would otherwise race for the defaults.
"""

from __future__ import annotations

from collections.abc import Collection

from daybreak.hosts import LOOPBACK, reachable
from daybreak.names import HEAD
from daybreak.services.container_site import address_of
from daybreak.services.ray import haproxy
from daybreak.services.ray.serve_config import OWN_GRPC_PORT, OWN_PORT, in_own_network, serving
from daybreak.services.site import Site
from daybreak.services.slots import Slot
from daybreak.spec.groups import by_name
from daybreak.spec.model import Node, Spec

# Where Serve itself listens behind the gateway.
SERVES_OWN = tuple(name.removeprefix(f"{HEAD}.") for name in (OWN_PORT, OWN_GRPC_PORT))
NODE_PORTS = ("node_manager", "object_manager", "agent_grpc", "agent_http", "runtime_env", "metrics")
HEAD_PORTS = (
    *NODE_PORTS,
    *haproxy.PORTS,
    "client",
    "autoscaler_metrics",
    "dashboard_metrics",
    "dashboard_grpc",
    *SERVES_OWN,
    "own_dashboard",
)
# The first of those that are the same in every container, below the range of outgoing connections.
FIRST_FIXED_PORT = 10100
# People know that of the spec; in the other slot it is another one, while both generations run.
GCS = f"{HEAD}.gcs"
# Where the dashboard itself listens behind the gateway.
OWN_DASHBOARD = f"{HEAD}.own_dashboard"
DASHBOARD_HEALTH = "/api/gcs_healthz"
AGENT_HEALTH = "/api/local_raylet_healthz"


def nodes_of(spec: Spec) -> dict[str, Node]:
    """The head and every worker by name, in order; workers alone where they join another machine's head."""
    workers = dict[str, Node](by_name(spec.workers))
    return workers if spec.join else {HEAD: spec.head, **workers}


def node_names(spec: Spec) -> list[str]:
    """Every node by name, in order."""
    return list(nodes_of(spec))


def port_names(spec: Spec) -> list[str]:
    """Every port of the Ray nodes that must be chosen, such as `head.node_manager`."""
    names = []
    for node in node_names(spec):
        names += [f"{node}.{purpose}" for purpose in (HEAD_PORTS if node == HEAD else NODE_PORTS)]
    return names


def doors_elsewhere(slot: Slot = Slot.A) -> list[str]:
    """The ports of Serve and the dashboard behind the gateway where the app tier is in the other slot: the gateway
    knows both."""
    return [f"{slot.other}.{name}" for name in (OWN_PORT, OWN_GRPC_PORT, OWN_DASHBOARD)]


def same_ports(spec: Spec, taken: Collection[int], slot: Slot = Slot.A) -> dict[str, int]:
    """The same for containers: every node has an address of its own, so all have the same ports, none of `taken`. So it
    is in the other slot."""
    free = (port for port in range(FIRST_FIXED_PORT, 2 * FIRST_FIXED_PORT) if port not in taken)
    by_purpose = dict(zip(HEAD_PORTS, free, strict=False))
    fixed = {name: by_purpose[name.partition(".")[2]] for name in port_names(spec)}
    return fixed | {name: fixed[name.partition(".")[2]] for name in doors_elsewhere(slot)}


def second_ports() -> list[str]:
    """What must be chosen besides where the app tier is in the second slot."""
    return [GCS]


def published_ports(spec: Spec, slot: Slot) -> list[str]:
    """What must be chosen of a head in a network of its own: in the second slot what it is reached at from elsewhere,
    since both are published for a while."""
    return [] if slot is Slot.A else [GCS, *client_port(spec)]


def client_port(spec: Spec) -> dict[str, int]:
    """The client server's port where it runs: the one of the spec, since people write it into their scripts."""
    return {f"{HEAD}.client": spec.port("client")} if spec.ray.client else {}


def ray_folder(site: Site, node: str) -> str:
    """A node's folder for Ray's temporary files; inside a container the runtime folder is its own."""
    return site.runtime if site.node else site.place(node)


def address_file(site: Site) -> str:
    """Where Ray notes the head's address. It does not start another one there while workers know that address."""
    return f"{ray_folder(site, HEAD)}/ray_current_cluster"


def needed_folder(site: Site, node: str) -> str:
    """The folder of Ray's that a node cannot run without."""
    return ray_folder(site, HEAD if shares_folder(site, node) else node)


def shares_folder(site: Site, node: str) -> bool:
    """With older versions a worker has no folder of its own: it shares the head's, and names its sockets elsewhere; a
    container always has its own."""
    return node != HEAD and site.ray.takes_socket_names and not site.engine


def node_address(site: Site, node: str) -> str:
    """The address that a node has for the others."""
    return address_of(site, node) if site.engine else site.node_ip


def address(spec: Spec, site: Site) -> str:
    """What `ray.init(address=...)` takes."""
    if spec.join:
        return spec.join.address
    return f"{site.head_ip}:{gcs_port(spec, site)}"


def client_server_url(site: Site) -> str:
    """What a program that is no part of the cluster gives to `ray.init`."""
    return f"ray://{site.head_ip}:{site.ports[f'{HEAD}.client']}"


def gcs_port(spec: Spec, site: Site) -> int:
    """The GCS's: that of the spec, in the other slot one of its own."""
    return site.ports.get(GCS, spec.port("gcs"))


def dashboard_binds(spec: Spec, site: Site) -> tuple[str, int]:
    """The address at which the dashboard itself listens on this machine: behind the gateway where there is one."""
    if spec.dashboard and serving(spec, site).behind_gateway:
        return LOOPBACK, site.ports[OWN_DASHBOARD]
    return spec.listen, spec.port("dashboard")


def dashboard_url(spec: Spec) -> str:
    """Where people reach the dashboard and its REST API."""
    return f"http://{reachable(spec.listen)}:{spec.port('dashboard')}"


def own_dashboard_url(spec: Spec, site: Site) -> str:
    """Where the dashboard itself answers, for what belongs to the cluster and must not wait in the gateway."""
    host, port = dashboard_binds(spec, site)
    if (site.node and in_own_network(site)) or serving(spec, site).behind_gateway:
        host = upstream_host(site)
    return f"http://{reachable(host)}:{port}"


def dashboard_health_url(spec: Spec, site: Site) -> str:
    """Where the dashboard tells whether the GCS answers it; it asks for no token."""
    return own_dashboard_url(spec, site) + DASHBOARD_HEALTH


def serve_url(spec: Spec, site: Site) -> str:
    """Where Serve answers, if it has an HTTP door."""
    door = serving(spec, site)
    return f"{door.scheme}://{reachable(door.host)}:{door.port}"


def upstream_host(site: Site, slot: Slot | None = None) -> str:
    """Where this machine reaches what listens on loopback, or in the head's container: that of the site's slot, or of
    another one."""
    if site.engine is None or site.engine.network is None:
        return LOOPBACK
    return site.engine.head_ip(slot or site.slot)


def upstream_url(spec: Spec, site: Site) -> str:
    """Where Serve itself answers: behind the gateway, where there is one."""
    door = serving(spec, site)
    if door.own_port is None:
        return serve_url(spec, site)
    return f"{door.own_scheme}://{upstream_host(site)}:{door.own_port}"


def raylet_health_url(site: Site, node: str) -> str:
    """The node's agent says whether the GCS knows its raylet as alive; needs no token."""
    return f"http://{node_address(site, node)}:{site.ports[f'{node}.agent_http']}{AGENT_HEALTH}"


def prometheus_url(spec: Spec) -> str:
    return f"http://127.0.0.1:{spec.port('prometheus')}"


def grafana_url(spec: Spec) -> str:
    return f"http://127.0.0.1:{spec.port('grafana')}"
