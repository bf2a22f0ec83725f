"""What an export is made for, as plain values; and a cluster's place inside its containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from daybreak.names import HEAD
from daybreak.services.databases.connections import USUAL_PORTS, passwords_of, wanted_databases
from daybreak.services.ray.addresses import same_ports
from daybreak.services.service import Network
from daybreak.services.site import Engine, Image, RayInstall, Site
from daybreak.spec.model import Spec, Warm

# Where things are in the containers.
APPLICATION = "/app"
CONFIG = "/etc/daybreak"
SECRETS = "/run/secrets"
RAY_TEMP = "/tmp/ray"
PYTHON = ("/opt/ray/bin/python", "-IS")
# The account of the images that daybreak builds, and of Ray's official ones.
RAY_USER = (1000, 100)
CLIENT_PORT = 10001
# What the names of volumes begin with where they are not the file's own.
PREFIX = "daybreak"
# From this version on an engine looks more often while a container starts; older ones are refused by Compose.
START_INTERVAL_SINCE = (25,)


@dataclass(frozen=True)
class Target:
    """`ray` is what the image has; `user` are the numbers of the account that may read the secrets.

    `engine` is the version of Docker that the files are for. `local` says that no registry has the image;
    `serve_config` is the parsed Serve config file, where the spec names one, `affinity` where the applications' source
    sends requests to certain replicas. `base` is the spec's folder; `scripts` are those that run when a database's data
    is made, by its name.
    """

    image: str
    ray: RayInstall
    engine: tuple[int, ...] = START_INTERVAL_SINCE
    user: tuple[int, int] = RAY_USER
    local: bool = True
    serve_config: Mapping[str, Any] | None = None
    affinity: str = ""
    base: str = "."
    prefix: str = ""
    head: str = HEAD
    scripts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def start_interval(self) -> bool:
        return self.engine >= START_INTERVAL_SINCE


def spec_inside(spec: Spec) -> Spec:
    """The spec as it is meant inside a container: everything listens for the other containers, nothing is forked."""
    return spec.model_copy(update={"listen": "0.0.0.0", "warm": Warm(enabled=False)})


def site_inside(spec: Spec, target: Target) -> Site:
    """The site that the services of a container are built for; the head is found by its name."""
    ray = replace(target.ray, python=PYTHON[0], command="/opt/ray/bin/ray", takes_socket_names=False, haproxy="")
    ports = same_ports(spec, [CLIENT_PORT]) | {f"{HEAD}.client": CLIENT_PORT}
    return Site(
        base=APPLICATION,
        root=CONFIG,
        runtime=RAY_TEMP,
        logs=RAY_TEMP,
        data="",
        secrets_folder=SECRETS,
        ray=ray,
        node_ip=target.head,
        ports={**ports, **USUAL_PORTS},
        serve_config=target.serve_config,
        affinity=target.affinity,
        scripts=target.scripts,
    )


def site_outside(spec: Spec, target: Target, passwords: Mapping[str, str] | None = None) -> Site:
    """The site that containers are made from: each is found by its service's name, at its usual ports."""
    addresses = {HEAD: target.head, **{name: f"{target.prefix}{name}" for name in wanted_databases(spec)}}
    return replace(
        site_inside(spec, target),
        secrets_folder=SECRETS,
        secrets=passwords or dict.fromkeys((*addresses, *passwords_of(spec, containers=True)), ""),
        engine=Engine(PREFIX, Image(target.image), Network("cluster", ""), addresses),
    )
