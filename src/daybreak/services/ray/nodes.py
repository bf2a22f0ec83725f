"""Ray's nodes as services: the head and the workers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from daybreak.names import HEAD, SERVE, group_of
from daybreak.services.container_site import ANYWHERE
from daybreak.services.health import policy
from daybreak.services.ray import gpus, haproxy, state, warm
from daybreak.services.ray.addresses import (
    NODE_PORTS,
    address_file,
    dashboard_binds,
    dashboard_health_url,
    dashboard_url,
    gcs_port,
    needed_folder,
    node_address,
    nodes_of,
    own_dashboard_url,
    raylet_health_url,
    shares_folder,
)
from daybreak.services.ray.claims import of_head
from daybreak.services.ray.environment import chart_env, node_env
from daybreak.services.ray.fixed_ports import fixed_ports
from daybreak.services.ray.helpers import helpers
from daybreak.services.ray.serve_config import in_own_network, serving
from daybreak.services.ray.start_command import (
    head_command,
    require_short_paths,
    restarts_gcs,
    sockets,
    worker_command,
)
from daybreak.services.service import (
    EveryCheck,
    Gate,
    GreetingCheck,
    HttpCheck,
    Lane,
    Need,
    PortClaim,
    Service,
    StopPolicy,
    TcpCheck,
    Tier,
)
from daybreak.services.site import Site
from daybreak.spec.groups import by_group
from daybreak.spec.model import Spec

# Worker nodes that start at once, where there are fewer processors than that.
LEAST_AT_ONCE = 4
GCS_NAME = "the GCS"
STOP = StopPolicy(grace_s=10.0, left_behind_grace_s=0.5)
# Before this release a dashboard hands a job to any agent that it knows, and looks for agents every 5 s: a job that
# comes earlier waits, and is refused after 10 s. It tells how many it knows; without such a page nobody waits.
HEAD_RUNS_JOBS = (2, 41)
AGENTS, NO_AGENT = "/internal/node_module", '"registeredAgents": 0'


def head(spec: Spec, site: Site) -> Service:
    """The head node: GCS, raylet, dashboard. Raises PreflightError where its sockets' paths would be too long,
    SpecError where it cannot keep its state."""
    state.require(spec, site)
    require_short_paths(spec, site, HEAD)
    return Service(
        name=HEAD,
        tier=Tier.APP,
        argv=head_command(spec, site),
        cwd=site.base,
        env=chart_env(spec, site)
        | gpus.env(site, HEAD)
        | node_env(spec, spec.head, site)
        | state.head_env(spec, site)
        | {
            # One that has been started without the gateway has Serve on the public port; where there is no Serve, a
            # gateway may come in front of the one that comes.
            **({"DAYBREAK_GATEWAY": "1"} if _leaves_the_port(spec, site) else {}),
            "AUTOSCALER_METRIC_PORT": str(site.ports[f"{HEAD}.autoscaler_metrics"]),
            "DASHBOARD_METRIC_PORT": str(site.ports[f"{HEAD}.dashboard_metrics"]),
        },
        needs=warm.needs(spec),
        gates=tuple(_head_gates(spec, site)),
        health=policy(spec, _node_check(spec, site, HEAD)),
        start_timeout_s=spec.start_timeout,
        stop=replace(STOP, afterwards=helpers(site), deletes=(state.folder(site),) if state.is_kept(spec) else ()),
        vital=("raylet",) if restarts_gcs(spec) else ("gcs_server", "raylet"),
        logs=_logs(site, HEAD, ("gcs_server.*", "raylet.err", "raylet.out", "dashboard.log", "monitor.*")),
        ports=(*claims(spec, site), *_fixed_claims(spec, site, HEAD)),
        # Ray makes a folder for each head in that of HAProxy, and leaves it.
        discard=(*sockets(site, HEAD), address_file(site), *(() if site.node else (haproxy.folder(site),))),
        files=haproxy.files(spec, site),
        folders=(
            *((haproxy.folder(site),) if haproxy.wanted(spec, site) else ()),
            *((state.folder(site),) if state.is_kept(spec) else ()),
        ),
        urls={"dashboard": dashboard_url(spec)} if spec.dashboard else {},
    )


def _fixed_claims(spec: Spec, site: Site, node: str) -> tuple[PortClaim, ...]:
    """The ports that the spec gives the node's own programs: others may have taken them."""
    named = {name: port for name, port in fixed_ports(spec, site.slot).items() if site.ports.get(name) == port}
    own = {name: port for name, port in named.items() if name.partition(".")[2] in NODE_PORTS}
    return tuple(
        PortClaim(ANYWHERE, port, name, "ports.fixed.base")
        for name, port in own.items()
        if name.partition(".")[0] == node
    )


def claims(spec: Spec, site: Site, host: str = ANYWHERE) -> tuple[PortClaim, ...]:
    """The ports at which the head is reached; the dashboard's where the gateway has the public one."""
    if not (spec.dashboard and serving(spec, site).behind_gateway):
        return of_head(spec, site.ports, host)
    own = () if in_own_network(site) else (PortClaim(*dashboard_binds(spec, site), "dashboard behind the gateway"),)
    return (*of_head(spec, site.ports, host, dashboard=False), *own)


def _leaves_the_port(spec: Spec, site: Site) -> bool:
    """Is Serve's public port left to a gateway, now or later?"""
    return serving(spec, site).behind_gateway or bool(site.gateway and not spec.serve.wanted)


def _head_gates(spec: Spec, site: Site) -> Iterator[Gate]:
    yield Gate("gcs", TcpCheck(site.node_ip, gcs_port(spec, site)))
    if spec.dashboard:
        yield Gate("dashboard", HttpCheck(dashboard_health_url(spec, site)))
    # Late, since an agent of the node answers this, and agents wait for the dashboard.
    yield Gate("raylet", HttpCheck(raylet_health_url(site, HEAD), contains="success"))
    if spec.ray.client:
        # It is forked late, since what the first response needs comes first.
        yield Gate("client", TcpCheck(site.node_ip, site.ports[f"{HEAD}.client"]))
    if spec.dashboard and site.ray.release < HEAD_RUNS_JOBS:
        yield Gate("jobs", HttpCheck(own_dashboard_url(spec, site) + AGENTS, accept=(200, 499), lacks=NO_AGENT))


def _node_check(spec: Spec, site: Site, node: str) -> EveryCheck:
    """The raylet's health as its agent tells it, and that the raylet and the head's GCS themselves answer.

    The agent calls a raylet well whose GCS is silent, and the GCS one that hangs, until it has missed many questions.
    """
    told = HttpCheck(raylet_health_url(site, node), contains="success")
    raylet = GreetingCheck(node_address(site, node), site.ports[f"{node}.node_manager"], "the raylet")
    at = (site.node_ip, gcs_port(spec, site)) if node == HEAD else spec.join.host_and_port if spec.join else None
    gcs = (GreetingCheck(*at, GCS_NAME),) if at else ()
    return EveryCheck((told, raylet, *gcs))


def worker(spec: Spec, site: Site, name: str) -> Service:
    """The worker node of this name. It starts when the GCS answers, and after Serve has been told what to deploy: what
    the first response needs has the processors for itself. Many workers start in turns: together they would be no
    sooner there, and the replica would wait for all of them."""
    require_short_paths(spec, site, name)
    alive = HttpCheck(raylet_health_url(site, name), contains="success")
    # Where the head's machine is away that is what people should read.
    check = EveryCheck((GreetingCheck(*spec.join.host_and_port, GCS_NAME), alive)) if spec.join else alive
    head = () if spec.join else (Need(HEAD, "gcs", bind=True, outlives=state.is_kept(spec)),)
    needs = [*head, *warm.needs(spec)]
    if spec.serve.wanted:
        needs.append(Need(SERVE, "submitted", order_only=True))
    return Service(
        name=name,
        group=group_of(name, by_group(spec.workers)),
        tier=Tier.APP,
        argv=worker_command(spec, site, name),
        cwd=site.base,
        env=gpus.env(site, name) | node_env(spec, nodes_of(spec)[name], site),
        needs=tuple(needs),
        lane=Lane("workers", max(LEAST_AT_ONCE, site.cpus)),
        gates=(Gate("raylet", check),),
        health=policy(spec, _node_check(spec, site, name)),
        start_timeout_s=spec.start_timeout,
        stop=replace(STOP, afterwards=helpers(site)),
        vital=("raylet",),
        logs=_logs(site, name, ("raylet.[0-9]*" if shares_folder(site, name) else "raylet.*",)),
        discard=sockets(site, name),
        ports=_fixed_claims(spec, site, name),
    )


def _logs(site: Site, node: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Where nodes share a folder the head's raylet comes first, and those of the workers get files with numbers."""
    return tuple(f"{needed_folder(site, node)}/session_latest/logs/{name}" for name in names)
