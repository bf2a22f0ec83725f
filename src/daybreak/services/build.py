"""Every service of a cluster, from its spec and its site: the one list that plan, status and exporters read. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daybreak.services.databases.connections import wanted_databases
from daybreak.services.databases.containers import database_container
from daybreak.services.databases.processes import postgres, redis
from daybreak.services.edge.gateway import gateway
from daybreak.services.ray.containers import head_container, is_apart, worker_container
from daybreak.services.ray.nodes import head, worker
from daybreak.services.ray.serve import serve
from daybreak.services.ray.stand_in import serve_within, user_within
from daybreak.services.ray.warm import template
from daybreak.services.service import Service, Tier
from daybreak.services.site import Site
from daybreak.services.user_containers import user_container
from daybreak.services.user_services import user_service
from daybreak.services.watching.containers import watching_container
from daybreak.services.watching.processes import GRAFANA, PROMETHEUS, grafana, prometheus
from daybreak.spec.groups import by_name
from daybreak.spec.model import Spec


@dataclass(frozen=True)
class Cluster:
    """A validated spec with everything derived from it."""

    spec: Spec
    site: Site
    services: tuple[Service, ...]


def build(spec: Spec, site: Site) -> tuple[Service, ...]:
    """The wanted services: the warm template, databases, the gateway, head, workers, Serve applications, the user's
    own, and what watches them."""
    services = in_containers(spec, site) if site.engine else as_processes(spec, site)
    services = [replace(one, slot=site.slot) if one.tier is Tier.APP else one for one in services]
    images = site.engine.images if site.engine else {}
    for name, there, process in ((PROMETHEUS, site.prometheus, prometheus), (GRAFANA, site.grafana, grafana)):
        if there:
            make = watching_container(name) if name in images else process
            services.append(make(spec, site))
    return tuple(services)


def as_processes(spec: Spec, site: Site) -> list[Service]:
    """Processes of this machine."""
    services: list[Service] = [template(spec, site)] if spec.warm.enabled else []
    if spec.databases.postgres:
        services.append(postgres(spec, site))
    if spec.databases.redis:
        services.append(redis(spec, site))
    services += gateway(spec, site)
    if spec.join is None:
        services.append(head(spec, site))
    services += [worker(spec, site, name) for name in by_name(spec.workers)]
    if spec.serve.wanted:
        services.append(serve(spec, site))
    services += [user_service(spec, site, name, wanted) for name, wanted in spec.services.items()]
    return services


def in_containers(spec: Spec, site: Site) -> list[Service]:
    """Containers, and programs in the head's; every node has a template of its own."""
    services = [database_container(spec, site, name) for name in wanted_databases(spec)]
    services += gateway(spec, site)
    services.append(head_container(spec, site))
    services += [worker_container(spec, site, name) for name in by_name(spec.workers)]
    if spec.serve.wanted:
        services.append(serve_within(spec, site))
    for name, wanted in spec.services.items():
        made = user_container if is_apart(wanted) else user_within
        services.append(made(spec, site, name, wanted))
    return services
