"""Stored data of PostgreSQL moves over to the newest version of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from daybreak.api.loading import resolve_name
from daybreak.errors import PreflightError, UsageError
from daybreak.extras.backup.telling import Deadline
from daybreak.extras.backup.upgrade import Upgrade
from daybreak.keeper.control import client
from daybreak.keeper.control.stored_state import Stored
from daybreak.machine.databases import data_version, every_postgres, how_to_move
from daybreak.names import POSTGRES
from daybreak.paths import ClusterPaths
from daybreak.services.databases.connections import POSTGRES_ADMIN

TIMEOUT_S = 3600.0
IN_A_VOLUME = (
    "with the old image: `daybreak backup`, then `daybreak down --volumes`; with the new one in the spec: "
    "`daybreak up`, `daybreak restore FILE`"
)


@contextlib.contextmanager
def upgrading(name: str | None = None, *, timeout_s: float = TIMEOUT_S) -> Iterator[Upgrade | None]:
    """An upgrade of a stopped cluster's data that can be begun; None where there is nothing newer here.

    Raises UsageError for a cluster without such data, or in containers; PreflightError where it runs, or where the
    version that wrote the data is not here.
    """
    paths = ClusterPaths.of(resolve_name(name))
    data = paths.data / POSTGRES
    written = data_version(data)
    stored = Stored.load(paths.wanted)
    if written is None and stored and stored.spec.get("backend") == "docker":
        raise UsageError(f"the data of {paths.name} is in a container's volume; nothing was changed", hint=IN_A_VOLUME)
    if written is None:
        raise UsageError(f"{paths.name} has no data of PostgreSQL in {data}; nothing was changed")
    if client.anything_recorded(paths):
        raise PreflightError([f"{paths.name} is running"], hint="daybreak down, then repeat")
    servers = {int(server.version.partition(".")[0]): server for server in every_postgres(data)}
    if written not in servers:
        newest = max(servers, default=0)
        here = f"those found are {', '.join(map(str, servers))}" if servers else "no server was found"
        raise PreflightError(
            [f"the databases in {data} were written by PostgreSQL {written}, and {here}"],
            hint=how_to_move(written, newest or written + 1),
        )
    with _held(paths.root / f"{POSTGRES}.lock", data):
        newest = max(servers)
        if newest == written:
            yield None
            return
        admins = paths.secrets / POSTGRES_ADMIN
        yield Upgrade(data, servers[written], servers[newest], admins, Deadline(timeout_s))


@contextlib.contextmanager
def _held(path: Path, data: Path) -> Iterator[None]:
    """The lock that a server of this data holds as long as it runs. Raises PreflightError where one does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise PreflightError([f"{data} is in use by a server"], hint="daybreak down, then repeat") from None
    finally:
        os.close(descriptor)
