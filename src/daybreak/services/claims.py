"""The ports of databases and of the user's own services, for whoever starts them and whoever looks for who holds one.

Those of Ray are in `ray/claims.py`. Pure.
"""

from __future__ import annotations

from daybreak.hosts import LOOPBACK
from daybreak.names import MYSQL, NEO4J, POSTGRES, REDIS
from daybreak.services.service import PortClaim
from daybreak.spec.model import UserService

TITLES = {POSTGRES: "PostgreSQL", REDIS: "Redis", MYSQL: "MySQL", NEO4J: "Neo4j"}


def of_database(name: str, port: int) -> tuple[PortClaim, ...]:
    """The port of a database, which `ports.offset` does not move."""
    return (PortClaim(LOOPBACK, port, TITLES[name], f"databases.{name}.port"),)


def of_service(name: str, wanted: UserService) -> tuple[PortClaim, ...]:
    """The ports that a service of the user's says it listens on."""
    return tuple(PortClaim(LOOPBACK, port, name, f"services.{name}.ports") for port in wanted.ports)
