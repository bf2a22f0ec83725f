"""The Serve applications: a one-shot that deploys them, and the checks that tell whether they answer. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from daybreak.services import ingress, warm
from daybreak.services.base import (
    STARTED,
    ConfigFile,
    DeployCheck,
    Gate,
    HttpCheck,
    Need,
    PortClaim,
    Restart,
    ServeCheck,
    Service,
    Tier,
)
from daybreak.services.inside import binds, program
from daybreak.services.offers import offers
from daybreak.services.ray import (
    HEAD,
    SERVE,
    address,
    api_url,
    client_env,
    health,
    ray_env,
    ray_folder,
    raylet_health_url,
    serve_url,
    token,
)
from daybreak.services.serving import in_own_network, is_loopback, serving
from daybreak.services.site import Site
from daybreak.spec import serve_config
from daybreak.spec.model import Spec

PROGRAM = "rayside/deploy.py"
DEPLOYING = {
    # The applications run in the cluster's own environment. Below a `uv run` Ray would have each worker make another
    # one, for the user's jobs with good reason.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # What is uploaded belongs to the applications, not to the process that deploys them: ten years.
    "RAY_RUNTIME_ENV_TEMPORARY_REFERENCE_EXPIRATION_S": str(10 * 365 * 24 * 3600),
}


def serve(spec: Spec, site: Site) -> Service:
    """The deployment. Its process imports Ray and the application beside the starting head and ends when all runs."""
    request = f"{site.runtime}/serve-request.json"
    status = f"{site.runtime}/serve-status.json"
    reached, url = serving(spec, site), serve_url(spec, site)
    answers = None
    gates = [Gate("submitted", DeployCheck(status, "submitted")), Gate("running", DeployCheck(status, "running"))]
    if reached.http:
        gates.append(Gate("routes", ServeCheck(url, routes(spec, site))))
        if spec.serve.health:
            answers = HttpCheck(url + spec.serve.health, any_certificate=True)
            gates.append(Gate("answers", answers))
    return Service(
        name=SERVE,
        tier=Tier.APP,
        argv=(warm.python(spec, site), program(site, PROGRAM), request),
        cwd=site.base,
        # A process on the head, as a job's driver is one: it has the head's environment.
        env={**client_env(spec, site), **ray_env(spec, site), **spec.head.env, **DEPLOYING},
        needs=(Need(HEAD, STARTED, bind=True), *warm.needs(spec)),
        gates=tuple(gates),
        health=health(spec, answers or door(spec, site)),
        start_timeout_s=spec.serve.start_timeout,
        restart=Restart.ON_FAILURE,
        one_shot=True,
        logs=(f"{ray_folder(site, HEAD)}/session_latest/logs/serve/*.log",),
        ports=claims(spec, site),
        files=(
            ConfigFile(request, json.dumps(_request(spec, site, status), indent=1)),
            # A worker more, or less, is no other deployment.
            ConfigFile(nodes_file(site), json.dumps(offers(spec), indent=1), aside=True),
        ),
        urls={"serve": url} if reached.http else {},
    )


def nodes_file(site: Site) -> str:
    """What the nodes offer, for the deployment."""
    return f"{site.runtime}/serve-nodes.json"


def claims(spec: Spec, site: Site) -> tuple[PortClaim, ...]:
    """The ports of Serve's doors. Its gRPC proxy listens on every address."""
    at, own = serving(spec, site), serve_config.ports(site.serve_config or {})
    written = f"http_options.port of {spec.serve.config}" if serve_config.HTTP_PORT in own else ""
    found = [PortClaim(at.host, at.port, "Serve", written)] if at.http else []
    if at.http and at.grpc_port:
        host = at.host if ingress.wanted(spec, site) or in_own_network(site) else "0.0.0.0"
        found.append(PortClaim(host, at.grpc_port, "Serve's gRPC", f"grpc_options.port of {spec.serve.config}"))
    return tuple(found)


def notes(spec: Spec, site: Site) -> tuple[str, ...]:
    """What is not as the user's Serve config, or Serve's own ways, would have it: to be said before the start."""
    return (
        (*serving(spec, site).notes, *_grpc_notes(spec, site), *ingress.notes(spec, site)) if spec.serve.wanted else ()
    )


def _grpc_notes(spec: Spec, site: Site) -> Iterator[str]:
    """Ray's gRPC servers listen on every address, which no option changes; HAProxy in front of them can do better."""
    at = serving(spec, site)
    if not (at.http and at.grpc_port and is_loopback(spec.listen)) or in_own_network(site):
        return
    if not ingress.wanted(spec, site):
        yield f"gRPC: port {at.grpc_port} listens on all interfaces, not on {spec.listen}: Ray has no option for that"
        return
    yield "gRPC: replicas behind HAProxy listen on all interfaces: Ray has no option for that"


def _request(spec: Spec, site: Site, status: str) -> dict[str, Any]:
    secret = token(site)
    return {
        "address": address(spec, site),
        "raylet_health": raylet_health_url(site, HEAD),
        "http": {"host": binds(spec.listen, site), "port": spec.port("serve")},
        "applications": [
            {"import": app.import_path, "name": app.name, "route": app.route, "args": app.args}
            for app in spec.serve.applications
        ],
        "config": serving(spec, site).config,
        "config_file": spec.serve.config,
        "dashboard": api_url(spec, site),
        "token_file": secret.path if secret else None,
        "status_file": status,
        "nodes_file": nodes_file(site),
        # Replaced when the file is written, so that the status of an earlier instance is never taken for this one's.
        "instance": "@INSTANCE@",
        "timeout_s": spec.serve.start_timeout,
    }


def door(spec: Spec, site: Site) -> HttpCheck | None:
    """Whether Serve's proxy answers; HAProxy does so with 200 only where it has a replica to send to. None where there
    is no HTTP door."""
    url = serve_url(spec, site) + "/-/healthz"
    return HttpCheck(url, any_certificate=True) if serving(spec, site).http else None


def application_names(spec: Spec, site: Site) -> tuple[str, ...]:
    """The applications that the spec, or Ray's Serve config, has."""
    if site.serve_config is not None:
        return tuple(str(app.get("name", "default")) for app in site.serve_config.get("applications", []))
    return tuple(app.name for app in spec.serve.applications)


def routes(spec: Spec, site: Site) -> tuple[str, ...]:
    """The route prefixes of the applications that have one."""
    if site.serve_config is not None:
        found = [app.get("route_prefix", "/") for app in site.serve_config.get("applications", [])]
    else:
        found = [app.route for app in spec.serve.applications]
    return tuple(route for route in found if route)
