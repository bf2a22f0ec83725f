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
from daybreak.services.service import EnvValue, Joined, Secret
from daybreak.services.site import Site
from daybreak.spec.model import Spec

USUAL_PORTS = {POSTGRES: 5432, REDIS: 6379, MYSQL: 3306, NEO4J: 7687}
# Neo4j's community edition has this one user.
NEO4J_USER = "neo4j"
LOOPBACK_NAMES = "localhost,127.0.0.1,127.0.0.2,::1"
# The files that hold addresses, so that containers have others than the machine.
DATABASE_URL, PGPASS, REDIS_URL, MYSQL_URL = "database-url", "pgpass", "redis-url", "mysql-url"
# The superuser's password, and how psql gets to it: for the user alone, where the server is a process.
POSTGRES_ADMIN, PG_ADMIN_SERVICE = "postgres-admin", "postgres-admin.conf"
WITH_ADDRESSES = frozenset((DATABASE_URL, PGPASS, REDIS_URL, MYSQL_URL))


def wanted_databases(spec: Spec) -> list[str]:
    """The names of the databases that the spec asks for."""
    return [name for name in DATABASES if getattr(spec.databases, name)]


def passwords_of(spec: Spec, *, containers: bool) -> list[str]:
    """The names of the passwords that the databases need."""
    admin = bool(spec.databases.postgres) and not containers
    return [*wanted_databases(spec), *([POSTGRES_ADMIN] if admin else [])]


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
        host, port = host_and_port(spec, site, POSTGRES)
        env["DATABASE_URL"] = _secret(site, DATABASE_URL)
        env["PGHOST"] = host
        env["PGPORT"] = str(port)
        env["PGUSER"] = USER
        env["PGDATABASE"] = databases.postgres.database
        env["PGPASSFILE"] = f"{site.secrets_folder}/{PGPASS}"
    if databases.redis:
        env["REDIS_URL"] = _secret(site, REDIS_URL)
    if databases.mysql:
        env["MYSQL_URL"] = _secret(site, MYSQL_URL)
    if databases.neo4j:
        host, port = host_and_port(spec, site, NEO4J)
        env["NEO4J_URI"] = f"bolt://{host}:{port}"
        env["NEO4J_USERNAME"] = NEO4J_USER
        env["NEO4J_PASSWORD"] = _secret(site, NEO4J)
    return env


def no_proxy_env(site: Site) -> dict[str, EnvValue]:
    """Names and addresses that are never asked for through a proxy, in front of those that the user has."""
    names = [LOOPBACK_NAMES]
    if site.engine is not None and site.engine.network is not None:
        names += [*sorted({*site.engine.addresses.values(), site.node_ip}), site.engine.network.subnet]
    value = Joined(",".join(names), ",")
    return {"NO_PROXY": value, "no_proxy": value}


def connection_files(spec: Spec, site: Site) -> dict[str, str]:
    """What the files of `connection_env` hold, by their name in the secrets folder."""
    files = {}
    databases = spec.databases
    if databases.postgres:
        host, port = host_and_port(spec, site, POSTGRES)
        files[DATABASE_URL] = _url("postgresql", USER, site.secrets[POSTGRES], host, port, databases.postgres.database)
        files[PGPASS] = f"*:{port}:*:{USER}:{_in_pgpass(site.secrets[POSTGRES])}\n"
        if site.engine is None:
            files[PG_ADMIN_SERVICE] = _admin_service(site, port, databases.postgres.database)
    if databases.redis:
        files[REDIS_URL] = _url("redis", "", site.secrets[REDIS], *host_and_port(spec, site, REDIS), "0")
    if databases.mysql:
        address = host_and_port(spec, site, MYSQL)
        files[MYSQL_URL] = _url("mysql", USER, site.secrets[MYSQL], *address, databases.mysql.database)
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
