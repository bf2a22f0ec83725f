"""Everything the machine offers to one cluster, gathered into a `Site`. Problems are collected, not raised one by one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from daybreak.errors import PreflightError, Problem, SpecError
from daybreak.paths import ClusterPaths
from daybreak.services.ray import port_names
from daybreak.services.site import PostgresServer, RedisServer, Site
from daybreak.spec.model import Spec
from daybreak.survey.databases import find_postgres, find_redis
from daybreak.survey.machine import machine
from daybreak.survey.ports import PortBook
from daybreak.survey.ray import find_ray
from daybreak.survey.secrets import ensure_secrets, write_secret

SECRETS = ("ray-token", "postgres", "redis")
# A second loopback address: Ray takes 127.0.0.1 for "find a public one", and would listen on that.
LOOPBACK_NODE_IP = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"


def survey(spec: Spec, base: Path, paths: ClusterPaths) -> Site:
    """Look around for one cluster; generates its secrets and chooses its ports where that has not been done.

    Raises SpecError where the spec asks for what this machine cannot give, PreflightError where something is missing.
    """
    paths.ensure()
    _check_memory(spec)
    postgres, redis = _database_servers(spec, paths)
    names = port_names(spec)
    pinned: dict[str, int] = {}
    for name, wanted in (("postgres", spec.databases.postgres), ("redis", spec.databases.redis)):
        if wanted and wanted.port:
            pinned[name] = wanted.port
        elif wanted:
            names.append(name)
    book = PortBook(paths.root / "ports.json")
    ports = book.ports(names) | pinned
    secrets = ensure_secrets(paths.secrets, SECRETS)
    _write_urls(spec, paths, ports, secrets)
    return Site(
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
        serve_config=_serve_config(spec, base),
    )
