"""Which extensions a PostgreSQL server of this machine has: each has a file beside the server's programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daybreak.errors import PreflightError
from daybreak.machine.programs import said_by
from daybreak.services.site import PostgresServer

# Debian's packages have these names behind `postgresql-16-`; those of PostgreSQL itself are in `postgresql-16`.
PACKAGES = {
    "vector": "pgvector",
    "postgis": "postgis-3",
    "postgis_topology": "postgis-3",
    "postgis_raster": "postgis-3",
    "pg_cron": "cron",
    "pg_partman": "partman",
    "pg_repack": "repack",
    "pgaudit": "pgaudit",
    "pgrouting": "pgrouting",
    "hll": "hll",
    "hypopg": "hypopg",
    "age": "age",
    "http": "http",
    "plpython3u": "",
    "orafce": "orafce",
    "rum": "rum",
    "semver": "semver",
    "wal2json": "wal2json",
}
OF_POSTGRESQL = frozenset(
    (
        *(
            "amcheck",
            "autoinc",
            "bloom",
            "btree_gin",
            "btree_gist",
            "citext",
            "cube",
            "dblink",
            "dict_int",
            "dict_xsyn",
        ),
        *("earthdistance", "file_fdw", "fuzzystrmatch", "hstore", "insert_username", "intagg", "intarray", "isn", "lo"),
        *("ltree", "moddatetime", "pageinspect", "pg_buffercache", "pg_freespacemap", "pg_prewarm"),
        *("pg_stat_statements", "pg_surgery", "pg_trgm", "pg_visibility", "pg_walinspect", "pgcrypto", "pgrowlocks"),
        *("pgstattuple", "plpgsql", "postgres_fdw", "refint", "seg", "sslinfo", "tablefunc", "tcn", "tsm_system_rows"),
        *("tsm_system_time", "unaccent", "uuid-ossp", "xml2"),
    )
)


def lacking(programs: Path, extensions: Sequence[str]) -> list[str]:
    """Those that the server with its programs in this folder does not have; none where that cannot be told."""
    folder = _folder(programs) if extensions else None
    return [name for name in extensions if not (folder / f"{name}.control").exists()] if folder else []


def absent(server: PostgresServer, names: Sequence[str]) -> PreflightError:
    """Says what brings them."""
    folder = _folder(Path(server.folder))
    there = sorted(path.stem for path in folder.glob("*.control")) if folder else []
    has = f"; it has {', '.join(there)}" if 0 < len(there) <= 20 else ""
    which = f"PostgreSQL {server.version} ({server.source})"
    problems = [f"databases.postgres: {which} has no extension {name}{has}" for name in names]
    major = server.version.partition(".")[0]
    packages = sorted({_package(name, major) for name in names} - {""})
    if not packages:
        return PreflightError(problems, hint="install what brings it for this PostgreSQL, or remove it from the spec")
    # A server of the machine is taken where it has what that of a Python package has not.
    return PreflightError(problems, hint=f"apt install {' '.join(packages)} brings it, with a server that is used then")


def _package(name: str, major: str) -> str:
    if name in OF_POSTGRESQL:
        return f"postgresql-{major}"
    return f"postgresql-{major}-{PACKAGES[name]}" if PACKAGES.get(name) else ""


def _folder(programs: Path) -> Path | None:
    """Where the server has its extensions' files."""
    said = said_by([programs / "pg_config", "--sharedir"])
    folder = Path((said or "").strip()) / "extension"
    return folder if said is not None and folder.is_dir() else None
