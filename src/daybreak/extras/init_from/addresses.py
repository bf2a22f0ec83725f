"""How a value that names another service of the Compose project is reached in a cluster of daybreak.

Databases have passwords and ports that only the running cluster knows: they are in variables (`DATABASE_URL`, ...), and
a value of another form is made of those by the shell that starts the service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from daybreak.extras.init_from.kinds import Kind, Known
from daybreak.hosts import LOOPBACK
from daybreak.names import MYSQL, NEO4J, POSTGRES, REDIS

_HOST = re.compile(r"(?P<host>[A-Za-z0-9][A-Za-z0-9_.-]*)(?::(?P<port>\d+))?")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
URLS = {POSTGRES: "DATABASE_URL", REDIS: "REDIS_URL", MYSQL: "MYSQL_URL", NEO4J: "NEO4J_URI"}
SCHEMES = {POSTGRES: "postgresql", REDIS: "redis", MYSQL: "mysql"}
# Of a URL of Serve's or of the dashboard's; any other port of the head's is the GCS's.
DASHBOARD, SERVE = 8265, 8000
# Parts of variables' names that belong together: `DB_HOST`, `DB_PORT`, `DB_USER`, ...
HOSTS = ("HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS")
PARTS = {
    "PORT": "port",
    **dict.fromkeys(("USER", "USERNAME"), "user"),
    **dict.fromkeys(("PASSWORD", "PASS", "PASSWD"), "password"),
    **dict.fromkeys(("NAME", "DB", "DATABASE", "DBNAME"), "database"),
}


@dataclass(frozen=True)
class Place:
    """A value that names another service. `text` stands for it as it is; else `shell` does, as the inside of a shell's
    double quotes, after the lines in `before`."""

    text: str | None = None
    shell: str = ""
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reach:
    """`hosts` are names of services, by every name that they have; `gone` those that nothing stands for."""

    known: Mapping[str, Known]
    hosts: Mapping[str, str]
    databases: Mapping[str, Mapping[str, object]]
    serve_port: int = SERVE
    moved: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()

    def named(self, value: str, key: str = "HOST") -> tuple[Known, str, int | None] | None:
        """The service that a value is about, its host, and the port; None for a value that names none. A word alone is
        a host where the variable is called so."""
        if _URL.match(value):
            try:
                parts = urlsplit(value.partition(",")[0])
                host, port = parts.hostname or "", parts.port
            except ValueError:
                return None
        else:
            found = _HOST.fullmatch(value)
            if found and not found["port"] and not key.upper().endswith(HOSTS):
                return None
            host, port = (found["host"], int(found["port"]) if found["port"] else None) if found else ("", None)
        name = self.hosts.get(host)
        return (self.known[name], host, port) if name else None

    def place(self, value: str, key: str = "HOST") -> Place | None:
        """How what the value names is reached; None where nothing stands for it."""
        named = self.named(value, key)
        if named is None or named[0].service.name in self.gone:
            return None
        one, host, port = named
        if one.kind is Kind.DATABASE:
            return self._database(one.database, value)
        if one.kind in (Kind.HEAD, Kind.WORKER, Kind.SERVE):
            return self._ray(value, host, port)
        moved = self.moved.get(one.service.name, {})
        return Place(_with_host(value, host, port, moved.get(port, port) if port else None))

    def _database(self, database: str, value: str) -> Place:
        if not _URL.match(value):
            return _host_and_port(database, ":" in value)
        parts = urlsplit(value)
        variable, path = URLS[database], parts.path.strip("/")
        if database == NEO4J:
            return Place(shell=f"${variable}")
        usual = str(self.databases.get(database, {}).get("database") or "daybreak") if database != REDIS else "0"
        end = "" if path in ("", usual) else f"%/*}}/{quoted(path)}"
        if parts.scheme in (SCHEMES[database], "postgres" if database == POSTGRES else ""):
            text = f"${{{variable}{end}" if end else f"${variable}"
            return Place(shell=text + _query(parts.query))
        before = (f"url=${{{variable}{end}" if end else f"url=${variable}",)
        return Place(shell=f"{parts.scheme}://${{url#*://}}{_query(parts.query)}", before=before)

    def _ray(self, value: str, host: str, port: int | None) -> Place:
        if value.startswith("ray://"):
            return Place(shell="$DAYBREAK_RAY_CLIENT")
        if port == SERVE or (port is None and _URL.match(value)):
            return Place(_with_host(value, host, port, self.serve_port))
        if port == DASHBOARD:
            rest = urlsplit(value).path if _URL.match(value) else ""
            address = "$RAY_API_SERVER_ADDRESS" if _URL.match(value) else "${RAY_API_SERVER_ADDRESS#*://}"
            return Place(shell=f"{address}{quoted(rest)}")
        if port is None:
            return Place(shell="${RAY_ADDRESS%:*}")
        return Place(shell="$RAY_ADDRESS")

    def part(self, key: str, values: Mapping[str, str]) -> Place | None:
        """A variable beside one that names a database's host: `DB_PORT` beside `DB_HOST`."""
        for word, part in PARTS.items():
            if key == word or not key.endswith(f"_{word}"):
                continue
            prefix = key.removesuffix(word)
            for host in HOSTS:
                named = self.named(values.get(f"{prefix}{host}", ""))
                if named and named[0].kind is Kind.DATABASE and named[0].service.name not in self.gone:
                    return _part(named[0].database, part)
        return None


def quoted(text: str) -> str:
    """Inside a shell's double quotes."""
    return re.sub(r'([$`"\\])', r"\\\1", text)


def _query(query: str) -> str:
    """Without what is said of TLS: there is none on this machine."""
    kept = [pair for pair in query.split("&") if pair and not pair.startswith("ssl")]
    return quoted(f"?{'&'.join(kept)}") if kept else ""


def _with_host(value: str, host: str, port: int | None, new: int | None) -> str:
    before, _, after = value.partition(host if port is None else f"{host}:{port}")
    return f"{before}{LOOPBACK}{f':{new}' if new else ''}{after}"


def _host_and_port(database: str, with_port: bool) -> Place:
    if database == POSTGRES:
        return Place(shell="$PGHOST:$PGPORT" if with_port else "$PGHOST")
    before = _address_of(database)
    return Place(shell="$address" if with_port else "${address%:*}", before=before)


def _address_of(database: str) -> tuple[str, ...]:
    return (
        (f"address=${{{URLS[database]}##*[@/]}}",)
        if database == NEO4J
        else (
            f"address=${{{URLS[database]}##*@}}",
            "address=${address%%/*}",
        )
    )


def _part(database: str, part: str) -> Place | None:
    """A port, a user, a password or a database's name. Passwords are read from the URL: those that daybreak makes have
    no character that is written otherwise there."""
    if database == NEO4J:
        shells = {"user": "$NEO4J_USERNAME", "password": "$NEO4J_PASSWORD"}
        return Place(shell=shells[part]) if part in shells else None
    if part == "password":
        url = URLS[database]
        return Place(shell="${password%%@*}", before=(f"password=${{{url}#*://*:}}",))
    if database == POSTGRES:
        return Place(shell={"port": "$PGPORT", "user": "$PGUSER", "database": "$PGDATABASE"}[part])
    if part == "port":
        return Place(shell="${address##*:}", before=_address_of(database))
    if database == MYSQL and part == "user":
        return Place(shell="${user%%:*}", before=(f"user=${{{URLS[MYSQL]}#*://}}",))
    return Place(shell=f"${{{URLS[database]}##*/}}") if part == "database" else None
