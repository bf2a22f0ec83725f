"""A cluster as it looks from inside one of its containers. Pure.

Ray's services are built from a Site. With containers they are built from another one, in which paths, addresses and
ports are those of the container: what builds them need not know where they will run. A node's own folder of the runtime
folder has the same path inside and outside, so that links, sockets, status files and logs mean the same on both sides.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from daybreak.names import HEAD, MOST_WORKERS, group_of
from daybreak.services.service import EnvValue, Joined, Mount, MountKind, Secret
from daybreak.services.site import Engine, Site
from daybreak.services.slots import Slot
from daybreak.spec.groups import place_of

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
        handed=site.handed.within(),
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
    if service == HEAD:
        return engine.head_ip(site.slot)
    if group_of(service, engine.groups) and service not in engine.addresses:
        number = place_of(service, engine.groups)
        if site.slot is Slot.B:
            return str(IPv4Address(engine.head_ip(Slot.B)) - number)
        return str(IPv4Network(engine.network.subnet).network_address + WORKERS_BEGIN + number)
    return engine.addresses[service]


def has_room_for_two(site: Site, workers: int) -> bool:
    """Has the containers' network addresses for a second app tier whose workers have so many places?"""
    engine = engine_of(site)
    if engine.network is None:
        return True
    taken = [IPv4Address(address) for address in engine.addresses.values()]
    taken.append(IPv4Network(engine.network.subnet).network_address + WORKERS_BEGIN + MOST_WORKERS)
    return IPv4Address(engine.head_ip(Slot.B)) - workers > max(taken)


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


def is_secret(site: Site, path: str) -> bool:
    """Is that path inside a secret's? `site` is the machine's."""
    return os.path.dirname(path) == SECRETS or site.handed.outside(path) is not None


def secret_of(site: Site, path: str, inside: Callable[[str], bool]) -> Secret:
    """The machine's file for a secret's path inside; `inside` tells which hold addresses of containers."""
    if handed := site.handed.outside(path):
        return Secret(handed)
    name = path.removeprefix(f"{SECRETS}/")
    return Secret(f"{site.secrets_folder}/{INSIDE_SECRETS}/{name}" if inside(name) else f"{site.secrets_folder}/{name}")


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
