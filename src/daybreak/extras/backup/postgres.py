"""One PostgreSQL server, reached by its own programs as its superuser, and what is read from it for a backup."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from daybreak.errors import DaybreakError
from daybreak.extras.backup import postgres_sql as sql
from daybreak.extras.backup.archive import Sink, Writer
from daybreak.extras.backup.manifest import Kind
from daybreak.extras.backup.programs import Place
from daybreak.extras.backup.telling import Deadline, Tell, Told
from daybreak.names import POSTGRES

PROGRAMS = ("pg_dump", "pg_restore", "psql")
# Everybody can connect to it, and nobody works in it.
MAINTENANCE = "template1"
# The database that every server has.
EVERYWHERE = "postgres"
# Nothing of a user is called where something of the system is meant, by a superuser at that.
SAFELY = "SET search_path = pg_catalog;\n"
# A table that somebody else has locked for so long fails the dump.
LOCK_WAIT_MS = 60_000


@dataclass(frozen=True)
class Database:
    """One database of a server; `row` is what its catalog says of it."""

    name: str
    owner: str
    encoding: str
    size_bytes: int
    row: Mapping[str, Any]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Database:
        """Raises KeyError, TypeError or ValueError for what is none."""
        return cls(str(raw["name"]), str(raw["owner"]), str(raw["encoding"]), int(raw["size_bytes"]), dict(raw["row"]))

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class Facts:
    """What a server is, and has: `number` is its version as 180001, `left` what a restore has left that was killed."""

    version: str
    number: int
    template: Mapping[str, Any]
    roles: frozenset[str]
    left: tuple[str, ...]
    databases: tuple[Database, ...]

    @property
    def major(self) -> int:
        return self.number // 10_000

    @property
    def names(self) -> frozenset[str]:
        return frozenset(database.name for database in self.databases)


@dataclass(frozen=True)
class Postgres:
    """A server: where its programs run, and how they log in (words for libpq). `application` is the role that programs
    are, and its database; empty where that is not known."""

    place: Place
    login: str
    application: tuple[str, str] = ("", "")

    def conninfo(self, database: str) -> str:
        """What a program is told to connect to."""
        name = database.replace("\\", "\\\\").replace("'", "\\'")
        return f"{self.login} dbname='{name}'"

    def ask(self, database: str, text: str, deadline: Deadline) -> str:
        """The lines that a query returns. Raises ProgramFailed."""
        return self.place.output(self._psql(database), deadline, text=SAFELY + text)[0].rstrip("\n")

    def tell(self, database: str, text: str, deadline: Deadline) -> list[str]:
        """Carry statements out, up to the first that fails; the warnings. Raises ProgramFailed."""
        if not text.strip():
            return []
        return warnings(self.place.output(self._psql(database), deadline, text=SAFELY + text)[1])

    def facts(self, deadline: Deadline) -> Facts:
        """Raises ProgramFailed where the server cannot be reached."""
        raw = json.loads(self.ask(MAINTENANCE, sql.FACTS, deadline))
        return Facts(
            str(raw["version"]),
            int(raw["number"]),
            raw["template"],
            frozenset(raw["roles"]),
            tuple(raw["left"]),
            tuple(Database.from_json(database) for database in raw["databases"]),
        )

    def dump(self, database: str, sink: Sink, deadline: Deadline) -> None:
        """Give the database to the sink, as it is at one moment. Raises ProgramFailed."""
        words = ("pg_dump", "--format=custom", f"--lock-wait-timeout={LOCK_WAIT_MS}", "-d", self.conninfo(database))
        self.place.pour_out(words, sink, deadline)

    def load(self, database: str, source: IO[bytes], deadline: Deadline, tell: Tell, what: str) -> list[str]:
        """Bring a dump into an empty database; the warnings. Raises ProgramFailed."""
        words = ("pg_restore", "--exit-on-error", "--no-tablespaces", "-d", self.conninfo(database))
        return warnings(self.place.pour_in(words, source, deadline, lambda size: tell(Told(what, size))))

    def _psql(self, database: str) -> Sequence[str]:
        return ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo(database))


def warnings(lines: Sequence[str]) -> list[str]:
    """Those of a program's lines that somebody should read."""
    return [line.rpartition("WARNING:")[2].strip() for line in lines if "WARNING:" in line]


def back_up(server: Postgres, writer: Writer, deadline: Deadline) -> str:
    """Write the server's roles and each of its databases; its version. Raises ProgramFailed."""
    server.place.require(*PROGRAMS)
    facts = server.facts(deadline)
    with writer.part(POSTGRES, Kind.ROLES) as sink:
        sink((server.ask(MAINTENANCE, sql.ROLES, deadline) + "\n").encode())
    for database in facts.databases:
        if database.name == EVERYWHERE and server.ask(database.name, sql.UNTOUCHED, deadline) == "t":
            continue
        with naming(database.name):
            with writer.part(POSTGRES, Kind.SETUP, database.name) as sink:
                sink((server.ask(database.name, sql.SETUP, deadline) + "\n").encode())
            low = {"extensions": json.loads(server.ask(database.name, sql.LOW_EXTENSIONS, deadline))}
            with writer.part(POSTGRES, Kind.DUMP, database.name, database.to_json() | low) as sink:
                server.dump(database.name, sink, deadline)
    return facts.version


@contextmanager
def naming(database: str) -> Iterator[None]:
    """What fails says which database it was."""
    try:
        yield
    except DaybreakError as error:
        error.reword(lambda text: f"database {database}: {text}")
        raise
