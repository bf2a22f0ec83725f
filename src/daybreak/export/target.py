"""What an export is made for, as plain values; and a cluster's place inside its containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from daybreak.services.ray import port_names
from daybreak.services.site import RayInstall, Site
from daybreak.spec.model import Spec, Warm

# Where things are in the containers.
APPLICATION = "/app"
CONFIG = "/etc/daybreak"
SECRETS = "/run/secrets"
RAY_TEMP = "/tmp/ray"
PYTHON = ("/opt/ray/bin/python", "-IS")
# The account of the images that daybreak builds, and of Ray's official ones.
RAY_USER = (1000, 100)
# Every container has an address of its own, so all nodes have the same ports. The kernel gives out higher ones.
FIRST_PORT = 6701
CLIENT_PORT = 10001
# From this version on an engine looks more often while a container starts; older ones are refused by Compose.
START_INTERVAL_SINCE = (25,)


@dataclass(frozen=True)
class Target:
    """`ray` is what the image has; `user` are the numbers of the account that may read the secrets.

    `engine` is the version of Docker that the files are for. `local` says that no registry has the image;
    `serve_config` is the parsed Serve config file, where the spec names one, `affinity` where the applications' source
    sends requests to certain replicas. `base` is the spec's folder.
    """

    image: str
    ray: RayInstall
    engine: tuple[int, ...] = START_INTERVAL_SINCE
    user: tuple[int, int] = RAY_USER
    local: bool = True
    serve_config: Mapping[str, Any] | None = None
    affinity: str = ""
    base: str = "."

    @property
    def start_interval(self) -> bool:
        return self.engine >= START_INTERVAL_SINCE


def inside(spec: Spec) -> Spec:
    """The spec as it is meant inside a container: everything listens for the other containers, nothing is forked."""
    return spec.model_copy(update={"listen": "0.0.0.0", "warm": Warm(enabled=False)})


def place(spec: Spec, target: Target) -> Site:
    """The site that the services of a container are built for; the head is found by its name."""
    ray = replace(target.ray, python=PYTHON[0], command="/opt/ray/bin/ray", takes_socket_names=False, haproxy="")
    purposes = dict.fromkeys(name.partition(".")[2] for name in port_names(spec))
    numbers = {purpose: FIRST_PORT + at for at, purpose in enumerate(purposes)} | {"client": CLIENT_PORT}
    ports = {name: numbers[name.partition(".")[2]] for name in port_names(spec)}
    return Site(
        base=APPLICATION,
        root=CONFIG,
        runtime=RAY_TEMP,
        logs=RAY_TEMP,
        data="",
        secrets_folder=SECRETS,
        ray=ray,
        node_ip="head",
        ports={**ports, "postgres": 5432, "redis": 6379},
        serve_config=target.serve_config,
        affinity=target.affinity,
    )
