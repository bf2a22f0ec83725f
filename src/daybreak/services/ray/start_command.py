"""`ray start` of a node, word by word. Pure."""

from __future__ import annotations

import json

from daybreak.names import HEAD
from daybreak.services.container_site import binds, program
from daybreak.services.ray import gpus, state, warm
from daybreak.services.ray.addresses import (
    HEAD_PORTS,
    NODE_PORTS,
    address,
    dashboard_binds,
    gcs_port,
    nodes_of,
    ray_folder,
)
from daybreak.services.ray.cpus import whole_cpus
from daybreak.services.ray.fixed_ports import FIRST, LAST
from daybreak.services.site import Site
from daybreak.services.socket_paths import SESSION, require_short
from daybreak.spec.model import Node, Spec

START_PROGRAM = "programs/node/start.py"
METRICS_MODULE, LONGEST_MODULE = "MetricsHead", "TaskEventsHead"


def head_command(spec: Spec, site: Site) -> tuple[str, ...]:
    """What starts the head."""
    ports = {purpose: site.ports[f"{HEAD}.{purpose}"] for purpose in HEAD_PORTS}
    dashboard_host, dashboard_port = dashboard_binds(spec, site)
    flags = [
        "--head",
        f"--port={gcs_port(spec, site)}",
        f"--ray-client-server-port={ports['client']}",
        f"--include-dashboard={'true' if spec.dashboard else 'false'}",
        f"--dashboard-host={binds(dashboard_host, site)}",
        f"--dashboard-port={dashboard_port}",
        *_node_flags(spec.head, site, HEAD),
    ]
    if not spec.ray.autoscaler_monitor:
        flags.append("--no-monitor")
    if site.ray.release < (2, 41):
        flags.append(f"--dashboard-grpc-port={ports['dashboard_grpc']}")
    return _start_command(spec, site, *flags)


def worker_command(spec: Spec, site: Site, name: str) -> tuple[str, ...]:
    """What starts a worker."""
    return _start_command(
        spec, site, f"--address={address(spec, site)}", *_node_flags(nodes_of(spec)[name], site, name)
    )


def require_short_paths(spec: Spec, site: Site, name: str) -> None:
    """Raises PreflightError where Ray could not bind its sockets: it would say so when everything else runs."""
    for path in sockets(site, name) or _session_sockets(spec, site, name):
        require_short(path, "Ray's socket")


def _start_command(spec: Spec, site: Site, *flags: str) -> tuple[str, ...]:
    """`ray start`, or the program that starts it from the template and without waiting for what nobody waits for."""
    if not spec.warm.enabled:
        return (site.ray.command, "start", *flags)
    options = start_options(spec, site, warm.launcher(site), site.place("t"))
    return (warm.launcher(site), program(site, START_PROGRAM), options, "start", *flags)


def start_options(spec: Spec, site: Site, launcher: str, temporary: str) -> str:
    """How `programs/node/start.py` changes `ray start`: what starts Ray's programs, and a folder for the dashboard."""
    options = {
        "launcher": launcher,
        "python": site.ray.python,
        "client_server": spec.ray.client,
        "dashboard_modules": _dashboard_modules(spec, site),
        "temporary": temporary,
        "logs_shared": site.ray.takes_socket_names,
        # A log monitor sees the folders of its own container.
        "gathering": not site.node,
        **({"restarts_gcs": True} if restarts_gcs(spec) else {}),
    }
    return json.dumps(options)


def restarts_gcs(spec: Spec) -> bool:
    """Is a GCS that has ended started again beside the node that it was a part of?"""
    return state.is_kept(spec) and spec.warm.enabled


def _dashboard_modules(spec: Spec, site: Site) -> list[str] | str:
    """Those of the spec; where a Grafana runs also the one that embeds its charts."""
    if spec.ray.dashboard_modules == "all":
        return "all"
    added = [METRICS_MODULE] if site.grafana and METRICS_MODULE not in spec.ray.dashboard_modules else []
    return [*spec.ray.dashboard_modules, *added]


def _node_flags(node: Node, site: Site, name: str) -> list[str]:
    ports = {purpose: site.ports[f"{name}.{purpose}"] for purpose in NODE_PORTS}
    flags = [
        "--block",
        "--disable-usage-stats",
        f"--node-ip-address={site.node_ip}",
        *_place(site, name),
        f"--node-manager-port={ports['node_manager']}",
        f"--object-manager-port={ports['object_manager']}",
        f"--dashboard-agent-grpc-port={ports['agent_grpc']}",
        f"--dashboard-agent-listen-port={ports['agent_http']}",
        f"--runtime-env-agent-port={ports['runtime_env']}",
        f"--metrics-export-port={ports['metrics']}",
        # Let the system choose workers' ports: Ray's own fixed range is shared by every cluster on the machine.
        f"--min-worker-port={site.ports.get(f'{name}.{FIRST}', 0)}",
        f"--max-worker-port={site.ports.get(f'{name}.{LAST}', 0)}",
        f"--object-store-memory={node.object_store}",
    ]
    flags.append(f"--num-cpus={whole_cpus(node)}")
    if (count := gpus.count(site, name, node)) is not None:
        flags.append(f"--num-gpus={count}")
    if node.memory is not None:
        flags.append(f"--memory={node.memory}")
    if node.resources:
        flags.append(f"--resources={json.dumps(node.resources, sort_keys=True)}")
    if node.labels and site.ray.has_labels:
        flags.append("--labels=" + ",".join(f"{key}={value}" for key, value in sorted(node.labels.items())))
    return flags


def _place(site: Site, name: str) -> list[str]:
    """What keeps the files and sockets of several nodes on one machine apart."""
    temporary = f"--temp-dir={ray_folder(site, name)}"
    if not site.ray.takes_socket_names:
        return [temporary]
    plasma, raylet = sockets(site, name)
    named = [f"--plasma-store-socket-name={plasma}", f"--raylet-socket-name={raylet}"]
    return [temporary, *named] if name == HEAD else named


def _session_sockets(spec: Spec, site: Site, name: str) -> list[str]:
    """The sockets in the session's folder: the node's own, and one for each of the dashboard's modules."""
    folder, modules = f"{ray_folder(site, name)}/{SESSION}/sockets", []
    if name == HEAD and spec.dashboard:
        chosen = _dashboard_modules(spec, site) if spec.warm.enabled else "all"
        modules = [LONGEST_MODULE] if isinstance(chosen, str) else chosen
    return [f"{folder}/plasma_store", *(f"{folder}/dash_{module}" for module in modules)]


def sockets(site: Site, name: str) -> tuple[str, ...]:
    """The sockets that are named for older versions: a raylet does not start over those of one that was killed.

    They have a folder of their own, since Ray opens the folder they are in to everybody.
    """
    folder = site.place("sockets")
    return (f"{folder}/{name}.plasma", f"{folder}/{name}.raylet") if site.ray.takes_socket_names else ()
