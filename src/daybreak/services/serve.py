"""The Serve applications: a one-shot that deploys them, and the checks that tell whether they answer. Pure."""

from __future__ import annotations

import json
from typing import Any

from daybreak.services import warm
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
    serve_port,
    serve_url,
    token,
)
from daybreak.services.site import Site
from daybreak.spec.model import Spec

PROGRAM = "rayside/deploy.py"
# The applications run in the cluster's own environment. Below a `uv run` Ray would have each worker make another one,
# for the user's jobs with good reason.
NOT_A_UV_RUN = {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}


def serve(spec: Spec, site: Site) -> Service:
    """The deployment. Its process imports Ray and the application beside the starting head and ends when all runs."""
    request = f"{site.runtime}/serve-request.json"
    status = f"{site.runtime}/serve-status.json"
    url = serve_url(spec, site)
    listening = ServeCheck(url, routes(spec, site))
    answers = HttpCheck(url + spec.serve.health) if spec.serve.health else None
    gates = [
        Gate("submitted", DeployCheck(status, "submitted")),
        Gate("running", DeployCheck(status, "running")),
        Gate("routes", listening),
    ]
    if answers:
        gates.append(Gate("answers", answers))
    return Service(
        name=SERVE,
        tier=Tier.APP,
        argv=(warm.python(spec, site), program(site, PROGRAM), request),
        cwd=site.base,
        # A process on the head, as a job's driver is one: it has the head's environment.
        env={**client_env(spec, site), **ray_env(spec, site), **spec.head.env, **NOT_A_UV_RUN},
        needs=(Need(HEAD, STARTED, bind=True), *warm.needs(spec)),
        gates=tuple(gates),
        health=health(spec, answers or door(spec, site)),
        start_timeout_s=spec.serve.start_timeout,
        restart=Restart.ON_FAILURE,
        one_shot=True,
        logs=(f"{ray_folder(site, HEAD)}/session_latest/logs/serve/*.log",),
        ports=(PortClaim(spec.listen, serve_port(spec, site), "Serve"),),
        files=(
            ConfigFile(request, json.dumps(_request(spec, site, status), indent=1)),
            # A worker more, or less, is no other deployment.
            ConfigFile(nodes_file(site), json.dumps(offers(spec), indent=1), aside=True),
        ),
        urls={"serve": url},
    )


def nodes_file(site: Site) -> str:
    """What the nodes offer, for the deployment."""
    return f"{site.runtime}/serve-nodes.json"


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
        "config": _config(spec, site),
        "config_file": spec.serve.config,
        "dashboard": api_url(spec, site),
        "token_file": secret.path if secret else None,
        "status_file": status,
        "nodes_file": nodes_file(site),
        # Replaced when the file is written, so that the status of an earlier instance is never taken for this one's.
        "instance": "@INSTANCE@",
        "timeout_s": spec.serve.start_timeout,
    }


def _config(spec: Spec, site: Site) -> dict[str, Any] | None:
    """Ray's Serve config as the file has it; only what the file leaves open is filled in.

    One proxy is enough where all nodes share a machine: a second one would fight it for the port.
    """
    if site.serve_config is None:
        return None
    config = dict(site.serve_config)
    own = {"host": binds(spec.listen, site), "port": spec.port("serve")}
    config["http_options"] = {**own, **(config.get("http_options") or {})}
    if binds(spec.listen, site) != spec.listen:
        # A container's port is published; an address of the machine means nothing inside.
        config["http_options"]["host"] = own["host"]
    config.setdefault("proxy_location", "HeadOnly")
    return config


def door(spec: Spec, site: Site) -> HttpCheck:
    """Whether Serve's proxy answers; HAProxy does so with 200 only where it has a replica to send to."""
    return HttpCheck(serve_url(spec, site) + "/-/healthz")


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
