"""Databases: what the images' variables and options mean, as a spec says it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daybreak.extras.init_from.addresses import URLS
from daybreak.extras.init_from.compose import ComposeService, Project
from daybreak.extras.init_from.draft import Draft, Fate, without_nothing
from daybreak.extras.init_from.kinds import Kind, Known, repository, tag
from daybreak.names import MYSQL, NEO4J, POSTGRES, REDIS

INIT_FOLDER = "/docker-entrypoint-initdb.d"
# The names that the official images and Bitnami's have for the same.
USERS = ("POSTGRES_USER", "POSTGRESQL_USERNAME", "POSTGRESQL_USER")
NAMES = ("POSTGRES_DB", "POSTGRESQL_DATABASE", "MYSQL_DATABASE")
PASSWORDS = ("POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD", "REDIS_PASSWORD", "VALKEY_PASSWORD")
USUAL_PORTS = {POSTGRES: 5432, REDIS: 6379, MYSQL: 3306, NEO4J: 7687}
EXTENSIONS = {"pgvector": "vector", "timescaledb": "timescaledb", "timescaledb-ha": "timescaledb", "postgis": "postgis"}
ORDER = ("image", "port", "database", "user", "password_file", "init", "extensions", "memory", "settings")
# Of servers that daybreak starts: it says these itself.
OWN_SETTINGS = frozenset(("requirepass", "port", "bind", "dir", "daemonize", "protected-mode", "listen_addresses"))
DEFAULT_USER = "postgres"


def bring_databases(draft: Draft, project: Project, known: Mapping[str, Known]) -> None:
    """The section `databases`."""
    for one in known.values():
        if one.kind is not Kind.DATABASE:
            continue
        service, database = one.service, one.database
        if database in (MYSQL, NEO4J) and not draft.in_containers:
            draft.left_out(service.name, f"daybreak starts {database} in containers only: --backend docker")
            continue
        fate = draft.became(service.name, f"databases.{database}")
        section = _section(draft, project, one, fate)
        draft.section("databases")[database] = section
        draft.comment("databases", database, text=f"{service.name}: {service.image or 'built'}")
        if not draft.in_containers and tag(service.image):
            fate.notes.append(f"image {service.image}: as a process it has the version that this machine has")
        _tell_volumes(service, fate)


def _section(draft: Draft, project: Project, one: Known, fate: Fate) -> dict[str, Any]:
    service, database = one.service, one.database
    values = {key: project.words.value(text) for key, text in service.environment.items()}
    published = next((port.published for port in service.ports if port.inside == USUAL_PORTS[database]), None)
    section: dict[str, Any] = {"port": published}
    section["settings"] = _settings(database, service)
    if service.build.context:
        fate.notes.append(f"its image is built from {service.build.context}: what that adds is not carried over")
    elif draft.in_containers and "bitnami" in service.image:
        fate.notes.append(f"image {service.image}: is told otherwise than the official one, which is taken")
    elif draft.in_containers:
        section["image"] = service.image
    if database == POSTGRES:
        section |= _postgres(values, service)
    if database == MYSQL:
        section |= {"database": _first(values, NAMES)}
    if database in (POSTGRES, MYSQL):
        section["init"] = _init(project, service, fate)
    if database in (POSTGRES, REDIS):
        section["password_file"] = _password_file(draft, project, one, values, fate)
    elif any("PASSWORD" in key or key == "NEO4J_AUTH" for key in values):
        fate.notes.append("its password is not carried over: daybreak makes one, and hands it to who needs it")
    if draft.in_containers:
        section["memory"] = service.deploy.get("mem_limit")
    return without_nothing({key: section.get(key) for key in ORDER})


def _postgres(values: Mapping[str, str], service: ComposeService) -> dict[str, Any]:
    """Without a variable the user is postgres, and the database is called as the user is."""
    user = _first(values, USERS) or DEFAULT_USER
    extension = EXTENSIONS.get(repository(service.image))
    return {"user": user, "database": _first(values, NAMES) or user, "extensions": [extension] if extension else []}


def _first(values: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((values[name] for name in names if values.get(name)), None)


def _settings(database: str, service: ComposeService) -> dict[str, Any]:
    """`-c name=value` of PostgreSQL, `--name value` of the others."""
    words = list(service.command or ())
    found: dict[str, Any] = {}
    if database == POSTGRES:
        pairs = [words[at + 1] for at, word in enumerate(words[:-1]) if word == "-c"]
        pairs += [word[2:] for word in words if word.startswith(("-c", "--")) and "=" in word]
        found = {name.lstrip("-"): value for name, _, value in (pair.partition("=") for pair in pairs)}
    else:
        for at, word in enumerate(words):
            name, equals, value = word.removeprefix("--").partition("=")
            if word.startswith("--"):
                following = words[at + 1] if len(words) > at + 1 and not words[at + 1].startswith("--") else ""
                found[name] = value if equals else following
    return {name: _typed(value) for name, value in found.items() if name not in OWN_SETTINGS and value}


def _typed(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def _init(project: Project, service: ComposeService, fate: Fate) -> list[str]:
    """Folders and files that the image runs when its data is made."""
    found = []
    for mount in service.mounts:
        if not (mount.target.rstrip("/") + "/").startswith(f"{INIT_FOLDER}/"):
            continue
        if mount.is_folder and os.path.exists(project.folder / mount.source):
            found.append(mount.source)
        else:
            fate.notes.append(
                f"{mount.source or mount.target}: no such folder or file; its scripts are not carried over"
            )
    return found


def _password_file(draft: Draft, project: Project, one: Known, values: Mapping[str, str], fate: Fate) -> str | None:
    """A file with the password: the one that is there, or one that is made of what stands in the Compose file."""
    for name in PASSWORDS:
        secret = values.get(f"{name}_FILE", "").rpartition("/")[2]
        file = project.secrets.get(secret, {}).get("file")
        if file and os.path.isfile(project.folder / str(file)):
            return str(file)
    password = _first(values, PASSWORDS) or _requirepass(project, one.service)
    if not password:
        fate.notes.append(f"daybreak makes its password: {URLS[one.database]} has it")
        return None
    file = draft.secret_file(f"{one.service.name}-password", password)
    fate.notes.append(f"its password went into {file}, mode 0600, and not into daybreak.yaml")
    return file


def _requirepass(project: Project, service: ComposeService) -> str | None:
    words = [project.words.value(word) for word in service.command or ()]
    return next((words[at + 1] for at, word in enumerate(words[:-1]) if word == "--requirepass"), None)


def _tell_volumes(service: ComposeService, fate: Fate) -> None:
    data = [
        mount.source or mount.target
        for mount in service.mounts
        if not (mount.target.rstrip("/") + "/").startswith(f"{INIT_FOLDER}/") and not Path(mount.target).suffix
    ]
    if data:
        fate.notes.append(f"what the volume {', '.join(data)} holds stays there: dump it, and load it here")
