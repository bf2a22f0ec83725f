"""Which data is moved to which version of PostgreSQL; moving it is tried with real servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from daybreak.api.upgrading import upgrading
from daybreak.errors import DaybreakError, PreflightError, UsageError
from daybreak.extras.backup.upgrade import exchange
from daybreak.paths import ClusterPaths
from daybreak.services.site import PostgresServer


def server(major: int) -> PostgresServer:
    return PostgresServer(f"/pg/{major}/bin", f"{major}.2", "test")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says which versions this machine has."""
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "runtime"))

    def has(*majors: int) -> None:
        monkeypatch.setattr("daybreak.api.upgrading.every_postgres", lambda _: [server(major) for major in majors])

    return has


def written(major: int) -> ClusterPaths:
    paths = ClusterPaths.of("shop")
    paths.ensure()
    (paths.data / "postgres").mkdir()
    (paths.data / "postgres/PG_VERSION").write_text(f"{major}\n")
    return paths


def test_data_goes_to_the_newest_version_here(here: Callable[..., None]) -> None:
    paths = written(16)
    here(15, 16, 17, 18)
    with upgrading("shop") as upgrade:
        assert upgrade is not None
        assert (upgrade.old, upgrade.new) == (server(16), server(18))
        assert upgrade.kept == paths.data / "postgres.before-18"
        with pytest.raises(PreflightError, match="in use by a server"), upgrading("shop"):
            pass
    here(15, 16)
    with upgrading("shop") as upgrade:
        assert upgrade is None


def test_without_the_version_that_wrote_it_nothing_can_read_it(here: Callable[..., None]) -> None:
    written(14)
    here(16, 18)
    with pytest.raises(PreflightError, match="written by PostgreSQL 14, and those found are 16, 18") as caught:
        upgrading("shop").__enter__()
    assert "apt install postgresql-14" in str(caught.value.hint)
    assert "`daybreak upgrade-data` moves the data to 18" in str(caught.value.hint)


def test_what_runs_and_what_is_not_there_is_refused(here: Callable[..., None]) -> None:
    here(16, 18)
    with pytest.raises(UsageError, match="has no data of PostgreSQL"):
        upgrading("shop").__enter__()
    paths = written(16)
    (paths.records / "postgres.json").write_text("{}")
    with pytest.raises(PreflightError, match="shop is running"):
        upgrading("shop").__enter__()


def test_in_containers_the_way_is_told(here: Callable[..., None]) -> None:
    here(16, 18)
    paths = ClusterPaths.of("shop")
    paths.ensure()
    paths.wanted.write_text(json.dumps({"spec": {"backend": "docker"}, "base": "/"}))
    with pytest.raises(UsageError, match="in a container's volume") as caught:
        upgrading("shop").__enter__()
    assert "`daybreak restore FILE`" in str(caught.value.hint)


def test_two_folders_change_places_at_once(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "says").write_text(name)
    exchange(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one/says").read_text() == "other"
    assert (tmp_path / "other/says").read_text() == "one"
    with pytest.raises(DaybreakError, match="cannot change places: No such file"):
        exchange(tmp_path / "one", tmp_path / "absent")
