"""What each service of a Compose project is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from daybreak.extras.init_from.compose import ComposeService, Project
from daybreak.extras.init_from.ray_commands import Asked, RayStart, asked
from daybreak.names import MYSQL, NEO4J, POSTGRES, REDIS
from daybreak.spec.names import as_name
from daybreak.spec.node_checks import RESERVED


class Kind(StrEnum):
    HEAD = "head"
    WORKER = "worker"
    SERVE = "serve"
    DATABASE = "database"
    WATCHING = "watching"
    OWN = "own"
    FOREIGN = "foreign"
    NOTHING = "nothing"


# The last part of an image's name, by what it is.
DATABASES = {
    POSTGRES: ("postgres", "postgresql", "pgvector", "timescaledb", "postgis", "timescaledb-ha"),
    REDIS: ("redis", "valkey", "redis-stack", "redis-stack-server", "keydb"),
    MYSQL: ("mysql", "mysql-server"),
    NEO4J: ("neo4j",),
}
WATCHING = ("prometheus", "grafana", "grafana-oss", "grafana-enterprise")
_WORKER = re.compile(r"worker-\d+")
RAY_IMAGES = ("ray", "ray-ml", "ray-llm")
# What nodes are called where their command lies in an image.
_HEAD = re.compile(r"(ray[-_]?)?head([-_]?node)?|ray")
_NODE = re.compile(r"(ray[-_]?)?workers?([-_].*)?")


@dataclass(frozen=True)
class Known:
    """A service, what it is, and what its command asks of Ray; `database` is which one it is. `called` is its name in
    the spec. `by_name`: nothing but its name says that it is a node."""

    service: ComposeService
    kind: Kind
    asked: Asked
    database: str = ""
    called: str = ""
    by_name: bool = False


def known(project: Project) -> dict[str, Known]:
    """Every service of the project, in its order."""
    found = {name: _known(service, asked(service, project.folder)) for name, service in project.services.items()}
    return _each_once(found)


def repository(image: str) -> str:
    """An image's name without registry, owner, tag and digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()


def tag(image: str) -> str:
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def _known(service: ComposeService, found: Asked) -> Known:
    name = repository(service.image)
    if any(start.is_head for start in found.starts):
        return Known(service, Kind.HEAD, found)
    if found.starts:
        return Known(service, Kind.WORKER, found)
    if found.serves:
        return Known(service, Kind.SERVE, found)
    for database, images in DATABASES.items():
        if name in images:
            return Known(service, Kind.DATABASE, found, database)
    if name in WATCHING:
        return Known(service, Kind.WATCHING, found)
    if node := _node_by_name(service, found):
        return node
    if service.build.context or name in RAY_IMAGES:
        return Known(service, Kind.OWN if service.words else Kind.NOTHING, found)
    return Known(service, Kind.FOREIGN, found)


def _node_by_name(service: ComposeService, found: Asked) -> Known | None:
    """A service that is named like Ray's, of an image of Ray's or with Ray in its name, and whose command nobody can
    read here; None for any other."""
    name = service.name.lower()
    unread = all(words[0].endswith(".sh") or "entrypoint" in words[0] for words in found.rest)
    if not unread or not (name.startswith("ray") or repository(service.image) in RAY_IMAGES):
        return None
    for kind, pattern, options in ((Kind.HEAD, _HEAD, {"head": ""}), (Kind.WORKER, _NODE, {})):
        if pattern.fullmatch(name):
            return Known(service, kind, replace(found, starts=(RayStart(options),)), by_name=True)
    return None


def _each_once(found: Mapping[str, Known]) -> dict[str, Known]:
    """A cluster has one head, and one server of each database: any other is an image like others."""
    seen: set[str] = set()
    result: dict[str, Known] = {}
    for name, one in found.items():
        what = one.database or (one.kind if one.kind is Kind.HEAD else "")
        again = what in seen
        if what:
            seen.add(what)
        kind = Kind.FOREIGN if again else one.kind
        result[name] = replace(one, kind=kind, called=_called(name, result))
    return result


def _called(name: str, others: Mapping[str, Known]) -> str:
    """A name that a spec takes, and that no other service has."""
    called = as_name(name)
    if called in RESERVED or _WORKER.fullmatch(called):
        called = as_name(f"own-{called}")
    while called in {other.called for other in others.values()}:
        called = as_name(f"{called[:36]}-2")
    return called
