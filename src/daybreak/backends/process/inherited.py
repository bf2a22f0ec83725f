"""What processes take over from the shell that a command was typed in.

A command may be typed in a shell that ran `eval "$(daybreak env)"`, or in a service, a task or a notebook of another
cluster: what that cluster has told its own programs must not steer this one's, nor make them count as its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from daybreak.backends.process import procfs

OWN = "DAYBREAK_"
# Set by `daybreak run` and `daybreak env`: the names by which they have told a shell of a cluster's databases.
TOLD = "DAYBREAK_TOLD"
HOME, RUNTIME = "DAYBREAK_HOME", "DAYBREAK_RUNTIME"
CONNECTIONS = (
    *("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_DASHBOARD_ADDRESS"),
    *("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"),
    *("RAY_USE_TLS", "RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT"),
)
# What a cluster tells its services besides: its nodes' settings, and where its databases are.
OF_RAY = "RAY_"
OF_DATABASES = frozenset(
    (
        *("DATABASE_URL", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSFILE", "MYSQL_URL"),
        *("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"),
        *("REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDISCLI_AUTH"),
        *("NEO4J_URI", "NEO4J_USERNAME", "NEO4J_PASSWORD"),
    )
)
# Those of further databases, whose names follow.
OF_FURTHER = ("DATABASE_URL_", "REDIS_URL_")


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What a cluster's processes take over; of a service's environment less than of a person's shell."""
    in_a_service = procfs.MARKER in environment
    told = environment.get(TOLD, "").split(",")

    def is_anothers(name: str) -> bool:
        if name in CONNECTIONS or name.startswith(OWN) or name in told:
            return True
        return in_a_service and (name.startswith((OF_RAY, *OF_FURTHER)) or name in OF_DATABASES)

    return {name: value for name, value in environment.items() if not is_anothers(name)}


def told_of(names: Iterable[str]) -> dict[str, str]:
    """The variable by which a shell remembers which of these are a cluster's databases; none where none is."""
    found = sorted(name for name in names if name in OF_DATABASES or name.startswith(OF_FURTHER))
    return {TOLD: ",".join(found)} if found else {}


def places(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Where the clusters are, so that `daybreak` means the same ones in a service as in the shell."""
    return {name: environment[name] for name in (HOME, RUNTIME) if environment.get(name)}
