"""Ray's own services: the head, the worker nodes, and the environment that reaches them. Pure.

Every port is given: a raylet whose agents' ports are unknown waits seconds for their port files (ray-project/ray
pull request 59613), and nodes that share a machine would otherwise race for the defaults.
"""

from __future__ import annotations

import json
import math
import os.path
from collections.abc import Collection
from dataclasses import replace

from daybreak.services import ingress, warm
from daybreak.services.base import (
    EnvValue,
    EveryCheck,
    Gate,
    GreetingCheck,
    HealthPolicy,
    HttpCheck,
    Joined,
    Lane,
    Need,
    PortClaim,
    Secret,
    Service,
    StopPolicy,
    TcpCheck,
    Tier,
)
from daybreak.services.connections import connection_env, no_proxy_env
from daybreak.services.helpers import helpers
from daybreak.services.inside import address_of, binds, program
from daybreak.services.serving import serving
from daybreak.services.site import Site
from daybreak.services.sockets import SESSION, require_short
from daybreak.spec.model import Node, Spec

START_PROGRAM = "rayside/start.py"
HEAD = "head"
SERVE = "serve"
WORKERS = "workers"
# Worker nodes that start at once, where there are fewer processors than that.
LEAST_AT_ONCE = 4
METRICS_MODULE, LONGEST_MODULE = "MetricsHead", "TaskEventsHead"
NODE_PORTS = ("node_manager", "object_manager", "agent_grpc", "agent_http", "runtime_env", "metrics")
HEAD_PORTS = (*NODE_PORTS, *ingress.PORTS, "client", "autoscaler_metrics", "dashboard_metrics", "dashboard_grpc")
# The first of those that are the same in every container, below the range of outgoing connections.
FIRST_FIXED_PORT = 10100

STOP = StopPolicy(grace_s=10.0, left_behind_grace_s=0.5)
# Ray takes the token itself, where both are set.
TOKEN, TOKEN_FILE = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
AGENT_HEALTH = "/api/local_raylet_healthz"
# Before this release a dashboard hands a job to any agent that it knows, and looks for agents every 5 s: a job that
# comes earlier waits, and is refused after 10 s. It tells how many it knows; without such a page nobody waits.
HEAD_RUNS_JOBS = (2, 41)
AGENTS, NO_AGENT = "/internal/node_module", '"registeredAgents": 0'


def worker_name(number: int) -> str:
    """`worker-1`, `worker-2`, ..."""
    return f"worker-{number}"


def node_names(spec: Spec) -> list[str]:
    """The head and every worker, in order."""
    return [HEAD, *(worker_name(number + 1) for number in range(spec.workers.count))]


def port_names(spec: Spec) -> list[str]:
    """Every port of the Ray nodes that must be chosen, such as `head.node_manager`."""
    names = []
    for node in node_names(spec):
        names += [f"{node}.{purpose}" for purpose in (HEAD_PORTS if node == HEAD else NODE_PORTS)]
    return names


def fixed_ports(spec: Spec, taken: Collection[int]) -> dict[str, int]:
    """The same for containers: every node has an address of its own, so all have the same ports, none of `taken`."""
    free = (port for port in range(FIRST_FIXED_PORT, 2 * FIRST_FIXED_PORT) if port not in taken)
    by_purpose = dict(zip(HEAD_PORTS, free, strict=False))
    return {name: by_purpose[name.partition(".")[2]] for name in port_names(spec)}


def address(spec: Spec, site: Site) -> str:
    """What `ray.init(address=...)` takes."""
    return f"{site.head_ip}:{spec.port('gcs')}"


def dashboard_url(spec: Spec) -> str:
    """Where the dashboard and its REST API answer."""
    return f"http://{reachable(spec.listen)}:{spec.port('dashboard')}"


def api_url(spec: Spec, site: Site) -> str:
    """The same for the cluster's own programs, which may be in containers."""
    return f"http://{site.head_ip}:{spec.port('dashboard')}" if site.node else dashboard_url(spec)


def serve_url(spec: Spec, site: Site) -> str:
    """Where Serve answers, if it has an HTTP door."""
    door = serving(spec, site)
    return f"{door.scheme}://{reachable(door.host)}:{door.port}"


def raylet_health_url(site: Site, node: str) -> str:
    """The node's agent says whether the GCS knows its raylet as alive; needs no token."""
    return f"http://{node_address(site, node)}:{site.ports[f'{node}.agent_http']}{AGENT_HEALTH}"


def node_address(site: Site, node: str) -> str:
    """The address that a node has for the others."""
    return address_of(site, node) if site.engine else site.node_ip


def ray_folder(site: Site, node: str) -> str:
    """A node's folder for Ray's temporary files; inside a container the runtime folder is its own."""
    return site.runtime if site.node else f"{site.runtime}/{node}"


def prometheus_url(spec: Spec) -> str:
    return f"http://127.0.0.1:{spec.port('prometheus')}"


def dashboard_health_url(spec: Spec) -> str:
    """Where the dashboard tells whether the GCS answers it; it asks for no token."""
    return dashboard_url(spec) + "/api/gcs_healthz"


def grafana_url(spec: Spec) -> str:
    return f"http://127.0.0.1:{spec.port('grafana')}"


def reachable(host: str) -> str:
    """Where this machine reaches what listens on an address, as it stands in a URL."""
    found = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{found}]" if ":" in found else found


def token(site: Site) -> Secret | None:
    """Ray's token file, where this Ray knows tokens (2.52 and newer)."""
    return Secret(f"{site.secrets_folder}/ray-token") if site.ray.has_token_auth else None


def auth_env(site: Site) -> dict[str, str]:
    """Turns Ray's token authentication on; names the file, never the token."""
    secret = token(site)
    return {"RAY_AUTH_MODE": "token", TOKEN_FILE: secret.path} if secret else {}


def client_env(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """What a shell, a job or one of the user's own services needs to reach the cluster and its databases."""
    env: dict[str, EnvValue] = {"RAY_ADDRESS": _client_address(spec, site)}
    if spec.dashboard:
        # What `ray job` reads, and what `serve` does.
        env |= dict.fromkeys(("RAY_API_SERVER_ADDRESS", "RAY_DASHBOARD_ADDRESS"), api_url(spec, site))
    if spec.ray.client_server:
        env["DAYBREAK_RAY_CLIENT"] = client_server_url(site)
    env |= auth_env(site)
    env |= no_proxy_env(site)
    env |= connection_env(spec, site)
    return env


def client_server_url(site: Site) -> str:
    """What a program that is no part of the cluster gives to `ray.init`."""
    return f"ray://{site.head_ip}:{site.ports[f'{HEAD}.client']}"


def client_port(spec: Spec) -> dict[str, int]:
    """The client server's port where it runs: the one of the spec, since people write it into their scripts."""
    return {f"{HEAD}.client": spec.port("client")} if spec.ray.client_server else {}


def _client_address(spec: Spec, site: Site) -> str:
    """A program of this machine is not in the cluster where that is in containers: Ray's client server takes it in."""
    if site.engine and not site.node and spec.ray.client_server:
        return client_server_url(site)
    return address(spec, site)


def search_paths(site: Site) -> dict[str, EnvValue]:
    """The application's folder is importable, and `python` is Ray's own: jobs and services call it by that name."""
    return {"PYTHONPATH": Joined(site.base, ":"), "PATH": Joined(os.path.dirname(site.ray.python), ":")}


def ray_env(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """What Ray's own processes get: the search paths, and where `python` is looked for first when forks are on.

    An agent that was forked has the template for its parent: it must watch the raylet by its pipe.
    """
    env: dict[str, EnvValue] = {**search_paths(site), **ingress.env(spec, site)}
    if spec.warm.enabled:
        folders = (os.path.dirname(warm.launcher(site)), os.path.dirname(site.ray.python))
        env |= {"PATH": Joined(":".join(folders), ":"), "RAY_enable_pipe_based_agent_to_parent_health_check": "1"}
    return env


def _start_command(spec: Spec, site: Site, *flags: str) -> tuple[str, ...]:
    """`ray start`, or the program that starts it from the template and without waiting for what nobody waits for."""
    if not spec.warm.enabled:
        return (site.ray.command, "start", *flags)
    options = {
        "launcher": warm.launcher(site),
        "python": site.ray.python,
        "client_server": spec.ray.client_server,
        "dashboard_modules": _dashboard_modules(spec, site),
        "temporary": f"{site.runtime}/t",
        "logs_shared": site.ray.takes_socket_names,
        # A log monitor sees the folders of its own container.
        "gathering": not site.node,
    }
    return (warm.launcher(site), program(site, START_PROGRAM), json.dumps(options), "start", *flags)


def _dashboard_modules(spec: Spec, site: Site) -> list[str] | str:
    """Those of the spec; where a Grafana runs also the one that embeds its charts."""
    if spec.ray.dashboard_modules == "all":
        return "all"
    added = [METRICS_MODULE] if site.grafana and METRICS_MODULE not in spec.ray.dashboard_modules else []
    return [*spec.ray.dashboard_modules, *added]


def _chart_env(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """Where Ray's dashboard finds the charts that it embeds."""
    if not site.grafana:
        return {}
    return {"RAY_PROMETHEUS_HOST": prometheus_url(spec), "RAY_GRAFANA_HOST": grafana_url(spec)}


def head(spec: Spec, site: Site) -> Service:
    """The head node: GCS, raylet, dashboard. Raises PreflightError where its sockets' paths would be too long."""
    _require_short_paths(spec, site, HEAD)
    ports = {purpose: site.ports[f"{HEAD}.{purpose}"] for purpose in HEAD_PORTS}
    flags = [
        "--head",
        f"--port={spec.port('gcs')}",
        f"--ray-client-server-port={ports['client']}",
        f"--include-dashboard={'true' if spec.dashboard else 'false'}",
        f"--dashboard-host={binds(spec.listen, site)}",
        f"--dashboard-port={spec.port('dashboard')}",
        *_node_flags(spec.head, site, HEAD),
    ]
    if not spec.ray.autoscaler_monitor:
        flags.append("--no-monitor")
    if site.ray.release < (2, 41):
        flags.append(f"--dashboard-grpc-port={ports['dashboard_grpc']}")
    gates = [Gate("gcs", TcpCheck(site.node_ip, spec.port("gcs")))]
    claims = [PortClaim("0.0.0.0", spec.port("gcs"), "GCS")]
    urls = {}
    if spec.dashboard:
        gates.append(Gate("dashboard", HttpCheck(dashboard_health_url(spec))))
        claims.append(PortClaim(spec.listen, spec.port("dashboard"), "dashboard"))
        urls["dashboard"] = dashboard_url(spec)
    # Last, since an agent of the node answers this, and agents wait for the dashboard.
    gates.append(Gate("raylet", HttpCheck(raylet_health_url(site, HEAD), contains="success")))
    if spec.ray.client_server:
        # It is forked late, since what the first response needs comes first.
        gates.append(Gate("client", TcpCheck(site.node_ip, ports["client"])))
        claims.append(PortClaim("0.0.0.0", ports["client"], "Ray client"))
    if spec.dashboard and site.ray.release < HEAD_RUNS_JOBS:
        gates.append(Gate("jobs", HttpCheck(dashboard_url(spec) + AGENTS, accept=(200, 499), lacks=NO_AGENT)))
    return Service(
        name=HEAD,
        tier=Tier.APP,
        argv=_start_command(spec, site, *flags),
        cwd=site.base,
        env=_chart_env(spec, site)
        | _node_env(spec, spec.head, site)
        | {
            "AUTOSCALER_METRIC_PORT": str(ports["autoscaler_metrics"]),
            "DASHBOARD_METRIC_PORT": str(ports["dashboard_metrics"]),
        },
        needs=warm.needs(spec),
        gates=tuple(gates),
        health=health(spec, _node_check(spec, site, HEAD)),
        start_timeout_s=spec.start_timeout,
        stop=replace(STOP, afterwards=helpers(site)),
        vital=("gcs_server", "raylet"),
        logs=_logs(site, HEAD, ("gcs_server.*", "raylet.*", "dashboard.log", "monitor.*")),
        ports=tuple(claims),
        # Ray makes a folder for each head in that of HAProxy, and leaves it.
        discard=(*_sockets(site, HEAD), *(() if site.node else (ingress.folder(site),))),
        files=ingress.files(spec, site),
        folders=(ingress.folder(site),) if ingress.wanted(spec, site) else (),
        urls=urls,
    )


def _node_check(spec: Spec, site: Site, node: str) -> EveryCheck:
    """The raylet's health as its agent tells it, and that the raylet and the head's GCS themselves answer.

    The agent calls a raylet well whose GCS is silent, and the GCS one that hangs, until it has missed many questions.
    """
    told = HttpCheck(raylet_health_url(site, node), contains="success")
    raylet = GreetingCheck(node_address(site, node), site.ports[f"{node}.node_manager"], "the raylet")
    gcs = (GreetingCheck(site.node_ip, spec.port("gcs"), "the GCS"),) if node == HEAD else ()
    return EveryCheck((told, raylet, *gcs))


def worker(spec: Spec, site: Site, number: int) -> Service:
    """One worker node. It starts when the GCS answers, and after Serve has been told what to deploy: what the first
    response needs has the processors for itself. Many workers start in turns: together they would be no sooner there,
    and the replica would wait for all of them."""
    name = worker_name(number)
    _require_short_paths(spec, site, name)
    check = HttpCheck(raylet_health_url(site, name), contains="success")
    needs = [Need(HEAD, "gcs", bind=True), *warm.needs(spec)]
    if spec.serve.wanted:
        needs.append(Need(SERVE, "submitted", order_only=True))
    return Service(
        name=name,
        tier=Tier.APP,
        argv=_start_command(spec, site, f"--address={address(spec, site)}", *_node_flags(spec.workers, site, name)),
        cwd=site.base,
        env=_node_env(spec, spec.workers, site),
        needs=tuple(needs),
        lane=Lane("workers", max(LEAST_AT_ONCE, site.cpus)),
        gates=(Gate("raylet", check),),
        health=health(spec, _node_check(spec, site, name)),
        start_timeout_s=spec.start_timeout,
        stop=replace(STOP, afterwards=helpers(site)),
        vital=("raylet",),
        logs=_logs(site, name, ("raylet.*",)),
        discard=_sockets(site, name),
    )


def health(spec: Spec, check: HttpCheck | TcpCheck | EveryCheck | None) -> HealthPolicy:
    """The spec's health policy with this check."""
    policy = spec.health
    return HealthPolicy(check, policy.interval, policy.timeout, policy.retries, policy.start_period)


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
        "--min-worker-port=0",
        "--max-worker-port=0",
        f"--object-store-memory={node.object_store}",
    ]
    flags.append(f"--num-cpus={whole_cpus(node)}")
    if node.gpus is not None:
        flags.append(f"--num-gpus={node.gpus}")
    if node.memory is not None:
        flags.append(f"--memory={node.memory}")
    if node.resources:
        flags.append(f"--resources={json.dumps(node.resources, sort_keys=True)}")
    if node.labels and site.ray.has_labels:
        flags.append("--labels=" + ",".join(f"{key}={value}" for key, value in sorted(node.labels.items())))
    return flags


def whole_cpus(node: Node) -> int:
    """A Ray node has whole CPUs only: a part of one counts as one, as with KubeRay."""
    return 1 if node.cpus is None else math.ceil(node.cpus)


def _place(site: Site, name: str) -> list[str]:
    """What keeps the files and sockets of several nodes on one machine apart."""
    temporary = f"--temp-dir={ray_folder(site, name)}"
    if not site.ray.takes_socket_names:
        return [temporary]
    plasma, raylet = _sockets(site, name)
    sockets = [f"--plasma-store-socket-name={plasma}", f"--raylet-socket-name={raylet}"]
    return [temporary, *sockets] if name == HEAD else sockets


def _require_short_paths(spec: Spec, site: Site, name: str) -> None:
    """Raises PreflightError where Ray could not bind its sockets: it would say so when everything else runs."""
    for path in _sockets(site, name) or _session_sockets(spec, site, name):
        require_short(path, "Ray's socket")


def _session_sockets(spec: Spec, site: Site, name: str) -> list[str]:
    """The sockets in the session's folder: the node's own, and one for each of the dashboard's modules."""
    folder, modules = f"{ray_folder(site, name)}/{SESSION}/sockets", []
    if name == HEAD and spec.dashboard:
        chosen = _dashboard_modules(spec, site) if spec.warm.enabled else "all"
        modules = [LONGEST_MODULE] if isinstance(chosen, str) else chosen
    return [f"{folder}/plasma_store", *(f"{folder}/dash_{module}" for module in modules)]


def _sockets(site: Site, name: str) -> tuple[str, ...]:
    """The sockets that are named for older versions: a raylet does not start over those of one that was killed.

    They have a folder of their own, since Ray opens the folder they are in to everybody.
    """
    folder = f"{site.runtime}/sockets"
    return (f"{folder}/{name}.plasma", f"{folder}/{name}.raylet") if site.ray.takes_socket_names else ()


def _node_env(spec: Spec, node: Node, site: Site) -> dict[str, EnvValue]:
    env: dict[str, EnvValue] = {
        "RAY_USAGE_STATS_ENABLED": "0",
        **ray_env(spec, site),
        **no_proxy_env(site),
    }
    return env | auth_env(site) | connection_env(spec, site) | dict(node.env)


def _logs(site: Site, node: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{ray_folder(site, node)}/session_latest/logs/{name}" for name in names)
