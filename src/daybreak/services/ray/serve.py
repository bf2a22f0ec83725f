"""The Serve applications: a one-shot that deploys them, and the checks that tell whether they answer. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from daybreak.hosts import LOOPBACK, is_loopback
from daybreak.names import HEAD, SERVE, VERSIONS
from daybreak.services.container_site import binds, program
from daybreak.services.handed import node_variables
from daybreak.services.health import policy
from daybreak.services.ray import haproxy, profile, state, warm
from daybreak.services.ray.addresses import (
    address,
    own_dashboard_url,
    ray_folder,
    raylet_health_url,
    serve_url,
    upstream_url,
)
from daybreak.services.ray.environment import client_env, ray_env, token
from daybreak.services.ray.offers import offers
from daybreak.services.ray.serve_config import Serving, in_own_network, serving
from daybreak.services.ray.serve_routes import routes
from daybreak.services.service import (
    STARTED,
    ConfigFile,
    DeployCheck,
    EnvValue,
    Gate,
    HttpCheck,
    Need,
    PortClaim,
    Restart,
    ServeCheck,
    Service,
    Tier,
)
from daybreak.services.site import Site
from daybreak.services.slots import Slot
from daybreak.spec import serve_config
from daybreak.spec.model import Spec
from daybreak.states import Stage

PROGRAM = "programs/deploy/deploy.py"
# What the deployment remembers, and how far it has come, in its folder.
DEPLOYED, STATUS = "serve-deployed.json", "serve-status.json"
DEPLOYING = {
    # The applications run in the cluster's own environment. Below a `uv run` Ray would have each worker make another
    # one, for the user's jobs with good reason.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # What is uploaded belongs to the applications, not to the process that deploys them: ten years.
    "RAY_RUNTIME_ENV_TEMPORARY_REFERENCE_EXPIRATION_S": str(10 * 365 * 24 * 3600),
}


def serve(spec: Spec, site: Site) -> Service:
    """The deployment. Its process imports Ray and the application beside the starting head and ends when all runs."""
    request = f"{folder(site)}/serve-request.json"
    status = f"{folder(site)}/{STATUS}"
    reached, url, own_url = serving(spec, site), serve_url(spec, site), upstream_url(spec, site)
    answers = None
    gates = [Gate(stage, DeployCheck(status, stage)) for stage in (Stage.SUBMITTED, Stage.RUNNING)]
    if reached.http:
        gates.append(Gate("routes", ServeCheck(own_url, routes(spec, site))))
        if spec.serve.health:
            answers = HttpCheck(own_url + spec.serve.health, any_certificate=True)
            gates.append(Gate("answers", answers))
    return Service(
        name=SERVE,
        tier=Tier.APP,
        argv=(warm.python(spec, site), program(site, PROGRAM), request),
        cwd=site.base,
        env=_env(spec, site),
        needs=_needs(spec),
        gates=tuple(gates),
        health=policy(spec, answers or door(spec, site)),
        start_timeout_s=spec.serve.start_timeout,
        restart=Restart.ON_FAILURE,
        one_shot=True,
        logs=(f"{ray_folder(site, HEAD)}/session_latest/logs/serve/*.log",),
        ports=claims(spec, site),
        files=(
            ConfigFile(request, json.dumps(_request(spec, site, status), indent=1)),
            # A worker more, or less, is no other deployment.
            ConfigFile(nodes_file(site), json.dumps(offers(spec), indent=1), aside=True),
            # A deployment that replaces applications while they serve says so here.
            ConfigFile(way_file(site), "{}", aside=True),
        ),
        folders=(folder(site),) if folder(site) != site.runtime else (),
        urls={"serve": url} if reached.http else {},
    )


def _env(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """A process on the head, as a job's driver is one: it has the head's environment."""
    own = node_variables(spec, spec.head, site.handed)
    return {**client_env(spec, site), **ray_env(spec, site), **own, **DEPLOYING}


def _needs(spec: Spec) -> tuple[Need, ...]:
    head = Need(HEAD, STARTED, bind=True, outlives=state.is_kept(spec))
    return (head, *warm.needs(spec), *map(Need, spec.serve.needs))


def folder(site: Site) -> str:
    """Where the deployment's files are, and what it remembers."""
    return site.runtime if site.slot is Slot.A or site.node else site.place(SERVE)


def nodes_file(site: Site) -> str:
    """What the nodes offer, for the deployment."""
    return f"{folder(site)}/serve-nodes.json"


def way_file(site: Site) -> str:
    """How applications that run are replaced, for the deployment."""
    return f"{folder(site)}/serve-way.json"


def redeploying(
    service: Service, site: Site, surge: int, *, anew: bool, only: str = "", changed_only: bool = False
) -> Service:
    """The deployment as it replaces applications while they serve: `surge` is how many replicas more may run meanwhile,
    in per cent of each deployment's; `anew` replaces them although nothing of them differs; `only` names the one that
    is, where the others stay as they are; with `changed_only` so do their deployments whose code is the same."""
    more = {**({"only": only} if only else {}), **({"changed_only": True} if changed_only else {})}
    text = json.dumps({"redeploy": anew, "surge": surge, **more})
    path = way_file(site)
    return replace(service, files=tuple(replace(f, text=text) if f.path == path else f for f in service.files))


def claims(spec: Spec, site: Site) -> tuple[PortClaim, ...]:
    """The ports at which Serve listens. Its gRPC proxy listens on every address."""
    at = serving(spec, site)
    if at.behind_gateway:
        return () if in_own_network(site) else tuple(_own_claims(at))
    return public_claims(spec, site, "" if haproxy.wanted(spec, site) or in_own_network(site) else "0.0.0.0")


def _own_claims(at: Serving) -> Iterator[PortClaim]:
    for host, port in ((LOOPBACK, at.own_port), ("0.0.0.0", at.own_grpc_port)):
        if port:
            yield PortClaim(host, port, "Serve behind the gateway")


def public_claims(spec: Spec, site: Site, grpc_host: str = "") -> tuple[PortClaim, ...]:
    """The ports at which people reach Serve; gRPC at another address where one is given."""
    at, own = serving(spec, site), serve_config.ports(site.serve_config or {})
    written = f"http_options.port of {spec.serve.config}" if serve_config.HTTP_PORT in own else ""
    found = [PortClaim(at.host, at.port, "Serve", written)] if at.http else []
    if at.http and at.grpc_port:
        setting = f"grpc_options.port of {spec.serve.config}"
        found.append(PortClaim(grpc_host or at.host, at.grpc_port, "Serve's gRPC", setting))
    return tuple(found)


def notes(spec: Spec, site: Site) -> tuple[str, ...]:
    """What is not as the user's Serve config, or Serve's own ways, would have it: to be said before the start."""
    if not spec.serve.wanted:
        return ()
    own = serving(spec, site).notes
    return (*own, *_grpc_notes(spec, site), *haproxy.notes(spec, site), *profile.notes(spec, site.ray))


def _grpc_notes(spec: Spec, site: Site) -> Iterator[str]:
    """Ray's gRPC servers listen on every address, which no option changes; HAProxy in front of them can do better."""
    at = serving(spec, site)
    if not (at.http and at.grpc_port and is_loopback(spec.listen)) or in_own_network(site):
        return
    if not haproxy.wanted(spec, site):
        port = at.own_grpc_port or at.grpc_port
        yield f"gRPC: port {port} listens on all interfaces, not on {spec.listen}: Ray has no option for that"
        return
    yield "gRPC: replicas behind HAProxy listen on all interfaces: Ray has no option for that"


def _request(spec: Spec, site: Site, status: str) -> dict[str, Any]:
    secret = token(site)
    host, port = serving(spec, site).binds
    return {
        "address": address(spec, site),
        "base": site.base,
        "code_link": f"{site.root}/{VERSIONS}/{site.slot}",
        "raylet_health": raylet_health_url(site, HEAD),
        "http": {"host": binds(host, site), "port": port},
        "applications": [
            {"import": app.import_path, "name": app.name, "route": app.route, "args": app.args}
            for app in spec.serve.applications
        ],
        "config": serving(spec, site).config,
        "config_file": spec.serve.config,
        "dashboard": own_dashboard_url(spec, site),
        "token_file": secret.path if secret else None,
        "status_file": status,
        "nodes_file": nodes_file(site),
        "way_file": way_file(site),
        "least_drain_s": haproxy.TOLD_S if haproxy.wanted(spec, site) else 0.0,
        "drain_s": spec.gateway.drain,
        # Replaced when the file is written, so that the status of an earlier instance is never taken for this one's.
        "instance": "@INSTANCE@",
        "timeout_s": spec.serve.start_timeout,
        **({"session_file": state.session_file(site)} if state.is_kept(spec) else {}),
    }


def door(spec: Spec, site: Site) -> HttpCheck | None:
    """Whether Serve's proxy answers; HAProxy does so with 200 only where it has a replica to send to. None where there
    is no HTTP door."""
    url = upstream_url(spec, site) + "/-/healthz"
    return HttpCheck(url, any_certificate=True) if serving(spec, site).http else None
