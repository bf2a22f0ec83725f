"""What a backup says of itself: the last file in its archive. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

# What this daybreak writes; it reads that, and what is older.
FORMAT = 1


class Kind(StrEnum):
    """What a part of a backup is."""

    ROLES = "roles"  # SQL: those of a PostgreSQL server that are missing, with all that was set for them
    DUMP = "dump"  # one database, in pg_dump's custom format
    SETUP = "setup"  # SQL: what was set for that database, which is in no dump
    SNAPSHOT = "snapshot"  # a Redis server's data (RDB)


@dataclass(frozen=True)
class Part:
    """One file of the archive. `name` is the database that it is of, `facts` are what is to be known of that."""

    service: str
    kind: Kind
    file: str
    size_bytes: int
    sha256: str
    name: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Part:
        """Raises KeyError, TypeError or ValueError for what is none."""
        return cls(
            str(raw["service"]),
            Kind(raw["kind"]),
            str(raw["file"]),
            int(raw["size_bytes"]),
            str(raw["sha256"]),
            str(raw.get("name", "")),
            dict(raw.get("facts", {})),
        )


@dataclass(frozen=True)
class Manifest:
    """A whole backup. `made` is seconds since 1970, `servers` the versions of those that it is of, by service;
    `left_out` are databases of the cluster that it does not hold."""

    cluster: str
    made: float
    daybreak: str
    backend: str
    servers: Mapping[str, str]
    parts: tuple[Part, ...]
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Manifest:
        """Raises KeyError, TypeError or ValueError for what is none."""
        return cls(
            str(raw["cluster"]),
            float(raw["made"]),
            str(raw["daybreak"]),
            str(raw.get("backend", "")),
            {str(name): str(version) for name, version in raw["servers"].items()},
            tuple(Part.from_json(part) for part in raw["parts"]),
            tuple(str(name) for name in raw.get("left_out", ())),
        )

    def of(self, service: str, kind: Kind) -> list[Part]:
        """The parts of one kind."""
        return [part for part in self.parts if (part.service, part.kind) == (service, kind)]

    def setup_of(self, dump: Part) -> Part | None:
        """What was set for a dumped database."""
        return next((part for part in self.of(dump.service, Kind.SETUP) if part.name == dump.name), None)
