"""Everything the machine offers to one cluster, gathered into a `Site`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from daybreak.docker.api import EngineClient
from daybreak.errors import Problem, SpecError
from daybreak.machine.affinity import find_affinity
from daybreak.machine.brought import find_scripts, secrets_of
from daybreak.machine.databases import database_servers
from daybreak.machine.engine import Found, survey_engine
from daybreak.machine.gateway import find_gateway
from daybreak.machine.hosts import require_token
from daybreak.machine.machine import machine, small_shell
from daybreak.machine.monitoring import find_monitoring
from daybreak.machine.ports import PortBook
from daybreak.machine.ray import find_ray
from daybreak.machine.ray_tls import find_ray_tls
from daybreak.machine.reservations import Reservations
from daybreak.machine.secrets import write_secret
from daybreak.machine.tls import find_tls
from daybreak.names import HEAD, NEO4J
from daybreak.paths import ClusterPaths
from daybreak.services.container_site import INSIDE_SECRETS, site_inside
from daybreak.services.databases.connections import (
    RAY_TOKEN,
    connection_files,
    given_passwords,
    passwords_of,
    wanted_databases,
)
from daybreak.services.databases.containers import NEO4J_AUTH, neo4j_auth
from daybreak.services.edge.gateway import folder
from daybreak.services.ray.addresses import (
    client_port,
    doors_elsewhere,
    nodes_of,
    port_names,
    published_ports,
    same_ports,
    second_ports,
)
from daybreak.services.ray.fixed_ports import fixed_ports
from daybreak.services.ray.haproxy import REPLICAS
from daybreak.services.site import RayInstall, Site
from daybreak.services.slots import Slot
from daybreak.services.watching.processes import GRAFANA, PAGE_TOKEN, SCRAPE_TOKEN
from daybreak.spec import serve_config
from daybreak.spec.document import label_of, parse_document, read_text
from daybreak.spec.groups import by_group
from daybreak.spec.model import Spec

SECRETS = (RAY_TOKEN, "postgres", "redis", PAGE_TOKEN, SCRAPE_TOKEN, GRAFANA)
PUBLIC_PORTS: tuple[Literal["serve", "dashboard", "gcs"], ...] = ("serve", "dashboard", "gcs")
PORTS = "ports.json"
# A second loopback address: Ray takes 127.0.0.1 for "find a public one", and would listen on that.
LOOPBACK_NODE_IP = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"


def survey(
    spec: Spec,
    base: Path,
    paths: ClusterPaths,
    client: EngineClient | None = None,
    *,
    slot: Slot = Slot.A,
    only_look: bool = False,
    version: int | None = None,
    reserved: Reservations | None = None,
) -> Site:
    """Look around for one cluster; generates its secrets and chooses its ports where that has not been done.

    `slot` is where the app tier is to be, `version` the one whose applications are deployed again. Containers need a
    `client` of the engine. With `only_look` what is missing is made up and nothing is kept. Raises SpecError where the
    spec asks for what this machine cannot give, PreflightError where something is missing. Its ports are `reserved`.
    """
    paths.ensure()
    check_memory(spec)
    book = PortBook(paths.root / PORTS, reserved)
    if spec.in_containers and client:
        return _with_engine(spec, base, paths, book, client, slot, version, only_look)
    return _processes(spec, base, paths, book, slot, version, only_look)


def write_connections(spec: Spec, site: Site, paths: ClusterPaths) -> None:
    """Write what programs read to reach the cluster's databases: from now on they reach what this spec asks for.

    The databases' URLs hold passwords, so they live in files like the passwords themselves.
    """
    for name in given_passwords(spec):
        write_secret(paths.secrets, name, site.secrets[name])
    for name, text in connection_files(spec, site).items():
        write_secret(paths.secrets, name, text)
    if site.engine:
        folder = paths.secrets / INSIDE_SECRETS
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in connection_files(spec, site_inside(site, HEAD)).items():
            write_secret(folder, name, text)
    if spec.databases.neo4j:
        write_secret(paths.secrets, NEO4J_AUTH, neo4j_auth(site.secrets[NEO4J]))


def _processes(
    spec: Spec, base: Path, paths: ClusterPaths, book: PortBook, slot: Slot, version: int | None, only_look: bool
) -> Site:
    """Where services are processes of this machine."""
    postgres, redis = database_servers(spec, paths.data)
    ports = _ports(spec, book, _ray_ports(spec, slot), slot=slot, only_look=only_look)
    common = _common(spec, base, paths, find_ray(spec.ray, base), version, only_look)
    require_token(spec, common.ray)
    node_ip = spec.address or LOOPBACK_NODE_IP
    ray_tls = find_ray_tls(spec, base, paths, only_look=only_look)
    site = replace(common, slot=slot, ports=ports, postgres=postgres, redis=redis)
    return replace(site, node_ip=node_ip, ray_tls=ray_tls)


def _with_engine(
    spec: Spec,
    base: Path,
    paths: ClusterPaths,
    book: PortBook,
    client: EngineClient,
    slot: Slot,
    version: int | None,
    only_look: bool,
) -> Site:
    """Where services are containers. In a network of their own Ray's nodes have the same ports each."""
    found = survey_engine(spec, base, paths, client, slot=slot, only_look=only_look)
    apart = found.engine.network is not None
    people = {spec.port(name) for name in PUBLIC_PORTS} | {p for s in spec.services.values() for p in s.ports}
    fixed = same_ports(spec, people, slot) | client_port(spec) if apart else {}
    published = {name: f"{slot.prefix}{name}" for name in published_ports(spec, slot)}
    names = published if apart else _ray_ports(spec, slot)
    # On the machine's own network nothing tells a container's process from a stranger's.
    own = found.own_ports if apart else book.of(found.running)
    ports = fixed | _ports(spec, book, names, own, slot=slot, only_look=only_look, apart=apart)
    common = _common(spec, base, paths, found.ray, version, only_look, found)
    site = replace(common, slot=slot, ports=ports, engine=found.engine)
    return replace(site, node_ip=site.head_ip)


def _ray_ports(spec: Spec, slot: Slot) -> dict[str, str]:
    """The ports that Ray's nodes need in a slot, and the doors in the other one: each with the name that it is kept
    under."""
    if spec.join:
        return {name: f"{slot.prefix}{name}" for name in port_names(spec)}
    wanted = [*port_names(spec), *(second_ports() if slot is Slot.B else ())]
    doors = {name: f"{slot.other.prefix}{name.removeprefix(f'{slot.other}.')}" for name in doors_elsewhere(slot)}
    return {name: f"{slot.prefix}{name}" for name in wanted} | doors


def _common(
    spec: Spec,
    base: Path,
    paths: ClusterPaths,
    ray: RayInstall,
    version: int | None,
    only_look: bool,
    found: Found | None = None,
) -> Site:
    """What does not depend on where services run."""
    site = serving_site(spec, base, paths, replace(ray, tokens=spec.ray.auth), version)
    tls = find_tls(spec, base, site.serve_config, folder(site))
    site = replace(site, tls=tls.text, tls_note=tls.note)
    gateway = find_gateway(spec, site)
    containers = {"images": found.engine.images, "running": found.running} if found else {}
    passwords = passwords_of(spec, containers=found is not None)
    watching = find_monitoring(spec, paths.root, serve_config=site.serve_config, **containers)
    return replace(
        site,
        secrets=secrets_of(spec, base, paths.secrets, (*SECRETS, *passwords), keep=not only_look),
        scripts=find_scripts(spec, base),
        own_modules=_own_modules(spec.warm.modules, base),
        cpus=machine().cpus,
        gateway=gateway.program,
        prometheus=watching.prometheus,
        grafana=watching.grafana,
        absent={**gateway.absent, **watching.absent},
        small_shell=small_shell(),
    )


def _ports(
    spec: Spec,
    book: PortBook,
    names: Mapping[str, str],
    own: Collection[int] = (),
    *,
    slot: Slot,
    only_look: bool,
    apart: bool = False,
) -> dict[str, int]:
    """The port of every name, and of every database. `own` are held by the cluster, whoever listens there. `apart`:
    each of Ray's nodes has an address of its own."""
    client = client_port(spec) if slot is Slot.A else {}
    fixed = {} if apart else fixed_ports(spec, slot)
    pinned = {**fixed, **{name: port for name, port in client.items() if name in names}}
    free = {name: kept for name, kept in names.items() if name not in pinned}
    for name in wanted_databases(spec):
        port = getattr(spec.databases, name).port
        if port:
            pinned[name] = port
        else:
            free[name] = name
    keep = not only_look
    block = f"{HEAD}.{REPLICAS}"
    blocks = {block: book.block(f"{slot.prefix}{block}", keep=keep)} if spec.serve.wanted and not apart else {}
    ports = book.ports(list(free.values()), taken=list(pinned.values()), own=own, keep=keep)
    return {name: ports[kept] for name, kept in free.items()} | pinned | blocks


def _own_modules(modules: tuple[str, ...], base: Path) -> dict[str, int]:
    """When those of the modules that lie in the spec's folder were changed."""
    found = {}
    for name in modules:
        place = base.joinpath(*name.split("."))
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                found[name] = file.stat().st_mtime_ns
    return found


def asked_bytes(spec: Spec) -> int:
    """The memory that head and workers ask for together."""
    nodes = nodes_of(spec).values()
    return sum((node.memory or 0) + node.object_store for node in nodes)


def check_memory(spec: Spec) -> None:
    """Raise SpecError where more is asked for than there is: Ray would take the user's word for any amount."""
    total = machine().memory_total_bytes
    problems = []
    asked = asked_bytes(spec)
    groups = {
        f"workers.groups.{name}" if spec.workers.groups else "workers": g for name, g in by_group(spec.workers).items()
    }
    for key, node in {"head": spec.head, **groups}.items():
        each = (node.memory or 0) + node.object_store
        if each > total:
            problems.append(
                Problem(
                    f"each asks for {each / 2**30:.1f} GiB (memory and object_store), the machine has "
                    f"{total / 2**30:.1f} GiB",
                    key=key,
                    hint="ask for less, or use a larger machine",
                )
            )
    if not problems and asked > total:
        problems.append(
            Problem(
                f"the head and {spec.workers.count} workers ask for {asked / 2**30:.1f} GiB together, the machine has "
                f"{total / 2**30:.1f} GiB",
                key="workers.groups" if spec.workers.groups else "workers.count",
                hint="fewer workers, or less memory and object_store for each",
            )
        )
    if problems:
        raise SpecError(problems)


def serving_site(spec: Spec, base: Path, paths: ClusterPaths, ray: RayInstall, version: int | None = None) -> Site:
    """As much of a site as Serve's doors depend on; nothing is chosen or made."""
    code = base if version is None else paths.code / str(version)
    config = read_serve_config(spec, code)
    return Site(
        base=str(base),
        root=str(paths.root),
        runtime=str(paths.runtime),
        logs=str(paths.logs),
        data=str(paths.data),
        secrets_folder=str(paths.secrets),
        ray=ray,
        node_ip=LOOPBACK_NODE_IP,
        serve_config=config,
        affinity=find_affinity(spec, code, config) if ray.haproxy else "",
        version=version,
    )


def read_serve_config(spec: Spec, base: Path) -> dict[str, Any] | None:
    """The Serve config file, parsed. Raises SpecError where it is none, also when it has become so after the spec was
    checked."""
    if spec.serve.config is None:
        return None
    import yaml

    file = base / spec.serve.config
    text = read_text(file)
    problems = serve_config.problems(parse_document(text, label_of(file)))
    if problems:
        raise SpecError(problems)
    found: dict[str, Any] = yaml.safe_load(text)
    return found
