"""The user's own services that have a container of their own: an image, volumes or limits. Pure."""

from __future__ import annotations

import os.path
from dataclasses import replace

from daybreak.hosts import LOOPBACK
from daybreak.services.container_site import address_of, engine_of, is_secret, resolved, secret_of, site_inside
from daybreak.services.databases.connections import holds_addresses
from daybreak.services.handed import service_variables
from daybreak.services.ray.environment import client_env, search_paths
from daybreak.services.service import (
    Check,
    Container,
    EnvValue,
    Mount,
    MountKind,
    Published,
    Secret,
    Service,
    StopPolicy,
    TcpCheck,
)
from daybreak.services.site import Site
from daybreak.services.user_services import user_service
from daybreak.spec.model import Spec, UserService


def user_container(spec: Spec, site: Site, name: str, wanted: UserService) -> Service:
    """One service. Without an image it has Ray's; its ports are published on loopback."""
    engine, inner = engine_of(site), site_inside(site, name)
    plain = user_service(spec, inner, name, wanted)
    image = engine.images.get(name, engine.image)
    env: dict[str, EnvValue] = resolved(client_env(spec, inner), image.env)
    if not wanted.image:
        env |= resolved(search_paths(inner), image.env)
    env |= service_variables(spec, wanted, inner.handed)
    secrets = {path: secret_of(site, path, holds_addresses) for path in _paths(site, env)}
    published = tuple(Published(LOOPBACK, port, port) for port in wanted.ports) if engine.network else ()

    def seen(check: Check) -> Check:
        if isinstance(check, TcpCheck) and engine.network:
            return TcpCheck(address_of(site, name), check.port)
        return check

    return replace(
        plain,
        cwd="" if wanted.image and wanted.cwd == "." else plain.cwd,
        env={
            key: secret_of(site, value.path, holds_addresses) if isinstance(value, Secret) else value
            for key, value in env.items()
        },
        gates=tuple(replace(gate, check=seen(gate.check)) for gate in plain.gates),
        health=replace(plain.health, check=seen(plain.health.check)) if plain.health.check else plain.health,
        stop=StopPolicy(grace_s=wanted.stop_grace, main_only=True),
        container=Container(
            image=image.name,
            network=engine.network,
            address=address_of(site, name) if engine.network else "",
            uid=image.uid,
            mounts=tuple(_mount(site, volume) for volume in wanted.volumes) + _code(spec, site, wanted),
            published=published,
            secrets=secrets,
            memory_bytes=wanted.memory,
            cpus=wanted.cpus or None,
            health=_health(wanted),
        ),
    )


def _paths(site: Site, env: dict[str, EnvValue]) -> list[str]:
    """The secrets' files that variables name."""
    return [value for value in env.values() if isinstance(value, str) and is_secret(site, value)]


def _mount(site: Site, volume: str) -> Mount:
    """`NAME:/path` is a volume of the cluster's, everything else a folder; see VOLUME_PATTERN."""
    source, target, *rest = volume.split(":")
    read_only = rest == ["ro"]
    if source.startswith((".", "/")):
        return Mount(MountKind.BIND, target, os.path.normpath(os.path.join(site.base, source)), read_only)
    return Mount(MountKind.VOLUME, target, f"{engine_of(site).prefix}-{source}", read_only)


def _code(spec: Spec, site: Site, wanted: UserService) -> tuple[Mount, ...]:
    """The spec's folder, where Ray's image is to have it."""
    if wanted.image or not spec.docker.mount_code:
        return ()
    return (Mount(MountKind.BIND, engine_of(site).code, site.base, read_only=True),)


def _health(wanted: UserService) -> tuple[str, ...] | None:
    """Ray's image has a check for Ray's nodes; another one keeps its own."""
    if wanted.check and wanted.check.command:
        return wanted.check.command
    return None if wanted.image else ()
