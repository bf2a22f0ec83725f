"""Which extensions a PostgreSQL server has, and what is said where one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import PreflightError
from daybreak.machine import databases
from daybreak.machine.extension_files import absent, lacking
from daybreak.services.site import PostgresServer


def server(folder: Path, *extensions: str) -> Path:
    """Programs of a server with these extensions; all it can say is its version and where they are."""
    programs, shared = folder / "bin", folder / "share/extension"
    programs.mkdir(parents=True)
    shared.mkdir(parents=True)
    for name in extensions:
        (shared / f"{name}.control").touch()
    for name in (*databases.POSTGRES_PROGRAMS, "pg_config"):
        said = shared.parent if name == "pg_config" else "postgres (PostgreSQL) 16.4"
        (programs / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (programs / name).chmod(0o755)
    return programs


def test_what_is_missing_is_told_with_the_package_that_brings_it(tmp_path: Path) -> None:
    programs = server(tmp_path, "plpgsql", "vector")
    assert lacking(programs, ["vector"]) == []
    assert lacking(programs, ["vector", "postgis", "hstore", "own"]) == ["postgis", "hstore", "own"]
    error = absent(PostgresServer(str(programs), "16.4", "the package"), ["postgis", "hstore", "own"])
    assert "PostgreSQL 16.4 (the package) has no extension postgis; it has plpgsql, vector" in error.problems[0]
    assert error.hint
    assert "apt install postgresql-16 postgresql-16-postgis-3 " in error.hint
    unknown = absent(PostgresServer(str(programs), "16.4", "the package"), ["own"])
    assert unknown.hint
    assert "apt" not in unknown.hint


def test_where_it_cannot_be_told_nothing_is_missing(tmp_path: Path) -> None:
    assert lacking(tmp_path, ["vector"]) == []


def test_a_server_that_has_them_goes_before_the_first_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = server(tmp_path / "1", "vector"), server(tmp_path / "2", "vector", "postgis")
    monkeypatch.setattr(databases, "_postgres_folders", lambda: iter((("first", first), ("second", second))))
    monkeypatch.setattr(databases, "run_as", lambda program, folder: ())
    for wanted, source in (((), "first"), (("vector",), "first"), (("postgis", "vector"), "second")):
        found = databases.find_postgres(None, wanted)
        assert found
        assert found.source == source
    with pytest.raises(PreflightError, match="has no extension hstore"):
        databases.find_postgres(None, ("hstore",))
