"""The databases of a spec, as frozen models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from daybreak.spec.base import Flag, Image, Model, Port, Setting
from daybreak.spec.quantity_types import Bytes, Cpus

NAMES = r"^[a-z_][a-z0-9_]{0,62}$"
DatabaseName = Annotated[str, Field(pattern=NAMES)]
ExtensionName = Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_-]{0,62}$")]
Path = Annotated[str, Field(min_length=1)]
# One of them may be written without a list.
Paths = Annotated[tuple[Path, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]
# Databases that every server has, and what no role can be called.
TAKEN_DATABASES = frozenset(("postgres", "template0", "template1"))
TAKEN_ROLES = frozenset(("public", "none", "replication"))
TAKEN_PREFIXES = ("pg_", "daybreak_")
USER = "daybreak"
# Without a setting.
REDIS_NUMBERS = 16


class Server(Model):
    """What every database server may be given. An image and limits count with `backend: docker` alone."""

    image: Image = Field(description="Image of its container.")
    port: Port | None = Field(default=None, description="Loopback port; a free one is chosen once and kept if absent.")
    memory: Bytes | None = Field(default=None, description="The most memory its container may use.")
    cpus: Cpus | None = Field(default=None, description="The most CPUs its container may use.")


class FurtherDatabase(Model):
    """One more database of the server, with a role that owns it."""

    user: DatabaseName | None = Field(
        default=None, description="The role that owns it; one of the database's own name if absent."
    )
    password_file: Path | None = Field(default=None, description="File with that role's password; generated if absent.")
    extensions: tuple[ExtensionName, ...] = Field(default=(), description="Extensions of this database.")


class Role(Model):
    """One more role that may log in, and owns no database."""

    password_file: Path | None = Field(default=None, description="File with its password; generated if absent.")
    member_of: tuple[DatabaseName, ...] = Field(
        default=(), description="Roles whose rights it has, such as pg_read_all_data."
    )


class Postgres(Server):
    """A PostgreSQL server in the cluster's state folder, or in a container."""

    database: DatabaseName = Field(default="daybreak", description="Name of the database.")
    user: DatabaseName = Field(default=USER, description="The application's role, which owns the database.")
    password_file: Path | None = Field(
        default=None, description="File with the password of `user`; generated if absent."
    )
    databases: dict[DatabaseName, FurtherDatabase] = Field(
        default_factory=dict, description="Further databases: a list of names, or each with its user and extensions."
    )
    roles: dict[DatabaseName, Role] = Field(default_factory=dict, description="Further roles that may log in.")
    extensions: list[ExtensionName] = Field(
        default_factory=list, description="Extensions of the database, also those that only a superuser may create."
    )
    init: Paths = Field(
        default=(), description="Folder or files (.sql, .sql.gz, .sh) that run once, when the data is made."
    )
    trust_socket: Flag = Field(
        default=False,
        description="Ask for no password at the Unix socket, which the account of the cluster alone reaches.",
    )
    settings: dict[str, Setting] = Field(default_factory=dict, description="postgresql.conf settings.")
    image: Image = Field(default="postgres:15", description="Image of its container.")

    @field_validator("user")
    @classmethod
    def _free_role(cls, name: str) -> str:
        _refuse([name] if _is_taken(name) else [])
        return name

    @field_validator("databases", mode="before")
    @classmethod
    def _by_name(cls, given: object, info: ValidationInfo) -> object:
        """A list of names is short for databases of which nothing else is said."""
        if isinstance(given, list | tuple):
            names = [name for name in given if isinstance(name, str)]
            if len(names) < len(given):
                raise ValueError("give names, or write each as NAME: {user: ..., extensions: [...]}")
            _refuse([*(name for name in names if names.count(name) > 1), *_taken(names, info)])
            return {name: {} for name in names}
        if isinstance(given, dict):
            return {name: {} if about is None else about for name, about in given.items()}
        return given

    @field_validator("databases")
    @classmethod
    def _free_names(cls, named: dict[str, FurtherDatabase], info: ValidationInfo) -> dict[str, FurtherDatabase]:
        user = str(info.data.get("user"))
        _refuse(_taken(named, info))
        _refuse(about.user for about in named.values() if about.user and _is_taken(about.user))
        files: dict[str, str] = {}
        for name, about in named.items():
            owner = about.user or name
            if about.password_file is None:
                continue
            if owner == user:
                raise ValueError(f"{name} belongs to {user}: write that role's password_file beside postgres.user")
            if files.setdefault(owner, about.password_file) != about.password_file:
                raise ValueError(f"the role {owner} has two password files: {files[owner]}, {about.password_file}")
        return named

    @field_validator("roles", mode="before")
    @classmethod
    def _roles_by_name(cls, given: object) -> object:
        if isinstance(given, dict):
            return {name: {} if about is None else about for name, about in given.items()}
        return given

    @field_validator("roles")
    @classmethod
    def _free_roles(cls, named: dict[str, Role], info: ValidationInfo) -> dict[str, Role]:
        owners = {about.user or name for name, about in (info.data.get("databases") or {}).items()}
        _refuse(name for name in named if name in owners or name == info.data.get("user") or _is_taken(name))
        for name, about in named.items():
            if wrong := [other for other in about.member_of if other == name or other.startswith("daybreak_")]:
                raise ValueError(f"the role {name} cannot be a member of {', '.join(wrong)}")
        return named


class Redis(Server):
    """A Redis-compatible server in the cluster's state folder, or in a container."""

    password_file: Path | None = Field(default=None, description="File with the password; generated if absent.")
    databases: dict[DatabaseName, Annotated[int, Field(ge=0, strict=True)]] = Field(
        default_factory=dict, description="Names for logical databases by number; each has a REDIS_URL_NAME."
    )
    settings: dict[str, Setting] = Field(default_factory=dict, description="redis.conf settings.")
    image: Image = Field(default="redis:7", description="Image of its container.")


class MySql(Server):
    """A MySQL server in a container."""

    database: DatabaseName = Field(default="daybreak", description="Name of the database.")
    init: Paths = Field(
        default=(), description="Folder or files (.sql, .sql.gz, .sh) that run once, when the data is made."
    )
    settings: dict[str, Setting] = Field(default_factory=dict, description="Options of mysqld.")
    image: Image = Field(default="mysql:8.4", description="Image of its container.")


class Neo4j(Server):
    """A Neo4j server in a container; `port` is that of Bolt."""

    settings: dict[str, Setting] = Field(default_factory=dict, description="neo4j.conf settings.")
    image: Image = Field(default="neo4j:5", description="Image of its container.")


class Databases(Model):
    """Databases beside Ray; a key that is present starts one."""

    postgres: Postgres | None = Field(
        default=None, description="Start a PostgreSQL server; `postgres:` alone is enough."
    )
    redis: Redis | None = Field(default=None, description="Start a Redis-compatible server; `redis:` alone is enough.")
    mysql: MySql | None = Field(default=None, description="Start a MySQL server; needs `backend: docker`.")
    neo4j: Neo4j | None = Field(default=None, description="Start a Neo4j server; needs `backend: docker`.")


def password_files(databases: Databases) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every file with a password: the key that names it, and its path as it is written."""
    postgres = databases.postgres
    if postgres:
        if postgres.password_file:
            yield ("databases", "postgres", "password_file"), postgres.password_file
        for kind, named in (("databases", postgres.databases), ("roles", postgres.roles)):
            for name, about in named.items():
                if about.password_file:
                    yield ("databases", "postgres", kind, name, "password_file"), about.password_file
    if databases.redis and databases.redis.password_file:
        yield ("databases", "redis", "password_file"), databases.redis.password_file


def _is_taken(role: str) -> bool:
    return role in TAKEN_ROLES or role.startswith(TAKEN_PREFIXES)


def _taken(databases: Iterable[str], info: ValidationInfo) -> list[str]:
    first = info.data.get("database")
    return [name for name in databases if name in TAKEN_DATABASES or name == first or _is_taken(name)]


def _refuse(names: Iterable[str]) -> None:
    wrong = sorted(set(names))
    if wrong:
        raise ValueError(f"these names are taken already, also as those of roles: {', '.join(wrong)}")
