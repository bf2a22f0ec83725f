"""A cluster as it looks from inside one of its containers. Pure.

Ray's services are built from a Site. With containers they are built from another one, in which paths, addresses and
ports are those of the container: what builds them need not know where they will run. A node's own folder of the runtime
folder has the same path inside and outside, so that links, sockets, status files and logs mean the same on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from daybreak.services.service import EnvValue, Joined, Mount, MountKind, Secret
from daybreak.services.site import Engine, Site

PACKAGE = Path(__file__).parent.parent
# What daybreak itself puts into containers.
ROOM = "/run/daybreak"
LIBRARY = f"{ROOM}/lib"
SECRETS = f"{ROOM}/secrets"
# URLs with the addresses of containers; the machine's own have the published ports.
INSIDE_SECRETS = "inside"
ANYWHERE = "0.0.0.0"
# The first worker's address is one more.
WORKERS_BEGIN = 10
WORKER = "worker-"


def engine_of(site: Site) -> Engine:
    """The engine, where there must be one."""
    assert site.engine
    return site.engine


def site_inside(site: Site, node: str) -> Site:
    """The site that the container of `node` is; the same one where there are no containers."""
    engine = site.engine
    if engine is None:
        return site
    return replace(
        site,
        node=node,
        base=engine.code,
        root=ROOM,
        runtime=site.place(node),
        secrets_folder=SECRETS,
        node_ip=address_of(site, node),
        # Embedding charts takes an address that both the container and the browser reach.
        grafana=None,
        # A shell that is not dash would be larger than what it stands in for, or another one.
        small_shell="/bin/dash",
    )


def address_of(site: Site, service: str) -> str:
    """The address of a service's container; on the machine's own network that of Ray's nodes there."""
    engine = engine_of(site)
    if engine.network is None:
        return site.node_ip
    if service.startswith(WORKER) and service not in engine.addresses:
        first = IPv4Network(engine.network.subnet).network_address
        return str(first + WORKERS_BEGIN + int(service.removeprefix(WORKER)))
    return engine.addresses[service]


def binds(listen: str, site: Site) -> str:
    """Where a server that people use listens: a container's port is published at `listen`."""
    return ANYWHERE if site.node and engine_of(site).network else listen


def program(site: Site, path: str) -> str:
    """Where a program of daybreak's own package is, such as `programs/node/start.py`."""
    return f"{LIBRARY}/{path}" if site.node else str(PACKAGE / path)


def library(*folders: str) -> tuple[Mount, ...]:
    """What makes folders and files of daybreak's own package visible inside."""
    return tuple(
        Mount(MountKind.BIND, f"{LIBRARY}/{folder}", str(PACKAGE / folder), read_only=True) for folder in folders
    )


def secret_of(site: Site, path: str, urls: frozenset[str]) -> Secret:
    """The machine's file for a secret's path inside; `urls` names those that hold addresses of containers."""
    name = path.removeprefix(f"{SECRETS}/")
    return Secret(f"{site.secrets_folder}/{INSIDE_SECRETS}/{name}" if name in urls else f"{site.secrets_folder}/{name}")


def resolved(env: Mapping[str, EnvValue], given: Mapping[str, str]) -> dict[str, EnvValue]:
    """Values that are put in front of something, put in front of what the image has there."""
    found: dict[str, EnvValue] = {}
    for name, value in env.items():
        if isinstance(value, Joined):
            rest = given.get(name)
            found[name] = f"{value.value}{value.separator}{rest}" if rest else value.value
        else:
            found[name] = value
    return found
