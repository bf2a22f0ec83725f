"""How programs find the databases, and the cluster without a proxy: variables in their environment, and the files of
those that hold passwords. Pure.

Outside of containers a database answers on a loopback port, inside at the address of its container and its usual port.
"""

from __future__ import annotations

from urllib.parse import quote

from daybreak.hosts import LOOPBACK
from daybreak.names import DATABASES, MYSQL, NEO4J, POSTGRES, REDIS
from daybreak.services.container_site import address_of
from daybreak.services.databases.roles import ADMIN, USER
from daybreak.services.databases.setup import setup_of
from daybreak.services.service import EnvValue, Joined, Secret
from daybreak.services.site import Site
from daybreak.spec.databases import Postgres
from daybreak.spec.model import Spec

USUAL_PORTS = {POSTGRES: 5432, REDIS: 6379, MYSQL: 3306, NEO4J: 7687}
# Neo4j's community edition has this one user.
NEO4J_USER = "neo4j"
# The secret that lets nodes and programs into a cluster.
RAY_TOKEN = "ray-token"  # noqa: S105 - its name
LOOPBACK_NAMES = "localhost,127.0.0.1,127.0.0.2,::1"
# The files that hold addresses, so that containers have others than the machine.
DATABASE_URL, PGPASS, REDIS_URL, MYSQL_URL = "database-url", "pgpass", "redis-url", "mysql-url"
# The superuser's password, and how psql gets to it: for the user alone, where the server is a process.
POSTGRES_ADMIN, PG_ADMIN_SERVICE = "postgres-admin", "postgres-admin.conf"
WITH_ADDRESSES = frozenset((DATABASE_URL, PGPASS, REDIS_URL, MYSQL_URL))


def holds_addresses(name: str) -> bool:
    """Does a secret's file hold addresses?"""
    return name in WITH_ADDRESSES or name.startswith((f"{DATABASE_URL}.", f"{REDIS_URL}."))


def wanted_databases(spec: Spec) -> list[str]:
    """The names of the databases that the spec asks for."""
    return [name for name in DATABASES if getattr(spec.databases, name)]


def passwords_of(spec: Spec, *, containers: bool) -> list[str]:
    """The names of the passwords that the databases need."""
    postgres = spec.databases.postgres
    admin = [POSTGRES_ADMIN] if postgres and not containers else []
    roles = [secret for secret in setup_of(postgres).roles.values() if secret != POSTGRES] if postgres else []
    return [*wanted_databases(spec), *admin, *roles]


def given_passwords(spec: Spec) -> dict[str, str]:
    """The passwords that files of the user's hold, and the token of a head on another machine: the paths, as they are
    written, by the secret's name."""
    found: dict[str, str] = {}
    postgres, redis = spec.databases.postgres, spec.databases.redis
    if postgres:
        named = [(postgres.user, postgres.password_file)]
        named += [(about.user or name, about.password_file) for name, about in postgres.databases.items()]
        named += [(name, about.password_file) for name, about in postgres.roles.items()]
        roles = setup_of(postgres).roles
        found = {roles[role]: file for role, file in named if file}
    if spec.join and spec.join.token_file:
        found[RAY_TOKEN] = spec.join.token_file
    return found | ({REDIS: redis.password_file} if redis and redis.password_file else {})


def port_of(spec: Spec, site: Site, name: str) -> int:
    """The loopback port of a database."""
    return int(getattr(spec.databases, name).port or site.ports[name])


def host_and_port(spec: Spec, site: Site, name: str) -> tuple[str, int]:
    """Host and port at which a program reaches a database from where this site is."""
    if site.node and site.engine and site.engine.network:
        return address_of(site, name), USUAL_PORTS[name]
    return LOOPBACK, port_of(spec, site, name)


def connection_env(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """The variables by which programs find the databases: DATABASE_URL, REDIS_URL and those of the servers' tools."""
    env: dict[str, EnvValue] = {}
    databases = spec.databases
    if databases.postgres:
        env |= _postgres_env(databases.postgres, site, *host_and_port(spec, site, POSTGRES))
    if databases.redis:
        host, port = host_and_port(spec, site, REDIS)
        env["REDIS_URL"] = _secret(site, REDIS_URL)
        env |= {"REDIS_HOST": host, "REDIS_PORT": str(port), "REDISCLI_AUTH": _secret(site, REDIS)}
        env |= {f"REDIS_URL_{name.upper()}": _secret(site, f"{REDIS_URL}.{name}") for name in databases.redis.databases}
    if databases.mysql:
        env["MYSQL_URL"] = _secret(site, MYSQL_URL)
    if databases.neo4j:
        host, port = host_and_port(spec, site, NEO4J)
        env["NEO4J_URI"] = f"bolt://{host}:{port}"
        env["NEO4J_USERNAME"] = NEO4J_USER
        env["NEO4J_PASSWORD"] = _secret(site, NEO4J)
    return env


def _postgres_env(wanted: Postgres, site: Site, host: str, port: int) -> dict[str, EnvValue]:
    """For libraries, for PostgreSQL's own tools, and for programs that were made for Compose."""
    env: dict[str, EnvValue] = {
        "DATABASE_URL": _secret(site, DATABASE_URL),
        # In containers, which an export makes of the same spec, no socket is shared.
        "PGHOST": site.runtime if wanted.trust_socket and site.engine is None else host,
        "PGPORT": str(port),
        "PGUSER": wanted.user,
        "PGDATABASE": wanted.database,
        "PGPASSFILE": f"{site.secrets_folder}/{PGPASS}",
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": str(port),
        "POSTGRES_USER": wanted.user,
        "POSTGRES_DB": wanted.database,
        "POSTGRES_PASSWORD": _secret(site, POSTGRES),
    }
    return env | {f"DATABASE_URL_{name.upper()}": _secret(site, f"{DATABASE_URL}.{name}") for name in wanted.databases}


def no_proxy_env(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """Names and addresses that are never asked for through a proxy, in front of those that the user has."""
    names = [LOOPBACK_NAMES, *([spec.address] if spec.address else [])]
    if spec.join:
        names.append(spec.join.host_and_port[0])
    if site.engine is not None and site.engine.network is not None:
        names += [*sorted({*site.engine.addresses.values(), site.head_ip, site.node_ip}), site.engine.network.subnet]
    value = Joined(",".join(names), ",")
    return {"NO_PROXY": value, "no_proxy": value}


def connection_files(spec: Spec, site: Site) -> dict[str, str]:
    """What the files of `connection_env` hold, by their name in the secrets folder."""
    files: dict[str, str] = {}
    databases = spec.databases
    if databases.postgres:
        files |= _postgres_files(databases.postgres, site, *host_and_port(spec, site, POSTGRES))
    if databases.redis:
        address = host_and_port(spec, site, REDIS)
        files[REDIS_URL] = _url("redis", "", site.secrets[REDIS], *address, "0")
        for name, number in databases.redis.databases.items():
            files[f"{REDIS_URL}.{name}"] = _url("redis", "", site.secrets[REDIS], *address, str(number))
    if databases.mysql:
        address = host_and_port(spec, site, MYSQL)
        files[MYSQL_URL] = _url("mysql", USER, site.secrets[MYSQL], *address, databases.mysql.database)
    return files


def _postgres_files(wanted: Postgres, site: Site, host: str, port: int) -> dict[str, str]:
    """URLs, every role's password for libpq, and the superuser's way in where the server is a process."""
    setup, files = setup_of(wanted), {}
    for database, owner in setup.databases.items():
        name = DATABASE_URL if database == wanted.database else f"{DATABASE_URL}.{database}"
        files[name] = _url("postgresql", owner, site.secrets[setup.roles[owner]], host, port, database)
    lines = (f"*:{port}:*:{role}:{_in_pgpass(site.secrets[secret])}\n" for role, secret in setup.roles.items())
    files[PGPASS] = "".join(lines)
    if site.engine is None:
        files[PG_ADMIN_SERVICE] = _admin_service(site, port, wanted.database)
    return files


def _secret(site: Site, name: str) -> Secret:
    return Secret(f"{site.secrets_folder}/{name}")


def _admin_service(site: Site, port: int, database: str) -> str:
    """A libpq service file: the superuser is there over the socket only."""
    facts = {
        "host": site.runtime,
        "port": port,
        "user": ADMIN,
        "password": site.secrets[POSTGRES_ADMIN],
        "dbname": database,
    }
    return "[admin]\n" + "".join(f"{name}={value}\n" for name, value in facts.items())


def _in_pgpass(password: str) -> str:
    """Parts of a line are kept apart by colons."""
    return password.replace("\\", "\\\\").replace(":", "\\:")


def _url(scheme: str, user: str, password: str, host: str, port: int, database: str) -> str:
    return f"{scheme}://{user}:{quote(password, safe='')}@{host}:{port}/{database}"
