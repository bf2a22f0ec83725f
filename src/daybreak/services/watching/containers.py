"""Prometheus and Grafana from their official images. Pure.

Their containers share the machine's network: the page that Prometheus reads listens on loopback, as they do themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from daybreak.names import HEAD
from daybreak.services.container_site import ROOM, SECRETS, engine_of, library
from daybreak.services.ray.addresses import ray_folder
from daybreak.services.service import Container, EnvValue, Mount, MountKind, Secret, Service
from daybreak.services.site import GrafanaServer, Site
from daybreak.services.watching.processes import (
    BOARDS,
    GRAFANA,
    PROMETHEUS,
    SCRAPE_TOKEN,
    config_folder,
    grafana,
    needs_token,
    prometheus,
)
from daybreak.spec.model import Spec

PROMETHEUS_PROGRAM = "/bin/prometheus"
GRAFANA_SERVER = GrafanaServer(("grafana", "server"), "/usr/share/grafana")
GRAFANA_DATA = "/var/lib/grafana"


def prometheus_container(spec: Spec, site: Site) -> Service:
    """What it has measured is in a named volume."""
    made = prometheus(spec, _inside(site, PROMETHEUS, data=""))
    volume = Mount(MountKind.VOLUME, f"/{PROMETHEUS}", f"{engine_of(site).prefix}-{PROMETHEUS}")
    return _contained(site, made, (SCRAPE_TOKEN,) if needs_token(spec) else (), (volume,))


def grafana_container(spec: Spec, site: Site) -> Service:
    """It reads Ray's own dashboards where the head writes them."""
    inner = _inside(site, GRAFANA, data="/var/lib")
    folder, rays = config_folder(inner), ray_folder(site, HEAD)
    made = _contained(
        site,
        grafana(spec, inner),
        (GRAFANA,),
        (
            Mount(MountKind.VOLUME, GRAFANA_DATA, f"{engine_of(site).prefix}-{GRAFANA}"),
            Mount(MountKind.BIND, rays, rays, read_only=True),
            *library(BOARDS),
        ),
    )
    # The image names these itself, and a variable counts for more than the file.
    paths: dict[str, EnvValue] = {
        "GF_PATHS_PROVISIONING": folder,
        "GF_PATHS_LOGS": f"{GRAFANA_DATA}/logs",
        "GF_PATHS_PLUGINS": f"{GRAFANA_DATA}/plugins",
    }
    return replace(made, env={**made.env, **paths})


def watching_container(name: str) -> Callable[[Spec, Site], Service]:
    """What makes the container of one of them."""
    return {PROMETHEUS: prometheus_container, GRAFANA: grafana_container}[name]


def _inside(site: Site, name: str, *, data: str) -> Site:
    """The site as its container sees it."""
    return replace(
        site,
        node=name,
        root=ROOM,
        data=data,
        secrets_folder=SECRETS,
        prometheus=PROMETHEUS_PROGRAM if name == PROMETHEUS else site.prometheus,
        grafana=GRAFANA_SERVER if name == GRAFANA else site.grafana,
    )


def _contained(site: Site, made: Service, secrets: tuple[str, ...], mounts: tuple[Mount, ...]) -> Service:
    engine = engine_of(site)
    image = engine.images[made.name]
    # What is only for the cluster's owner must be readable: Ray's folder is the owner's.
    shared = made.name == GRAFANA
    return replace(
        made,
        cwd="/",
        container=Container(
            image=image.name,
            uid=engine.uid if shared and engine.user else image.uid,
            user=engine.user if shared else "",
            entrypoint=(),
            mounts=mounts,
            secrets={f"{SECRETS}/{name}": Secret(f"{site.secrets_folder}/{name}") for name in secrets},
            health=(),
        ),
    )
