"""Which databases are backed up and restored, and into which file; the servers themselves are a few lines."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daybreak.api import stored
from daybreak.api.asking import Cluster
from daybreak.cli.backup import backup as command
from daybreak.errors import DaybreakError, NotRunning, PreflightError, UsageError
from daybreak.extras.backup.archive import Writer, opened
from daybreak.extras.backup.manifest import Kind
from daybreak.extras.backup.telling import Deadline
from daybreak.paths import ClusterPaths

Back = Callable[[Any, Writer, Deadline], str]


def of(kind: Kind, service: str, content: bytes = b"all of it") -> Back:
    def back_up(_: Any, writer: Writer, __: Deadline) -> str:
        with writer.part(service, kind, "shop" if kind is Kind.DUMP else "") as sink:
            sink(content)
        return "1.0"

    return back_up


@pytest.fixture(autouse=True)
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A cluster `shop`, its databases with their states; a test may change them."""
    found = {"postgres": "ready", "redis": "ready"}
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "runtime"))
    monkeypatch.chdir(tmp_path)
    ClusterPaths.of("shop").ensure()

    def status(_: str | None) -> Cluster:
        services = [{"name": name, "state": state} for name, state in found.items()]
        state = "ready" if services else "stopped"
        raw = {"name": "shop", "state": state, "workers": 0, "urls": {}, "services": services, "backend": "process"}
        return Cluster.from_snapshot(raw)

    monkeypatch.setattr("daybreak.api.stored.status", status)
    monkeypatch.setattr("daybreak.extras.backup.places.postgres_of", lambda paths, containers: None)
    monkeypatch.setattr("daybreak.extras.backup.places.redis_address", lambda paths: None)
    monkeypatch.setattr("daybreak.extras.backup.postgres.back_up", of(Kind.DUMP, "postgres"))
    monkeypatch.setattr("daybreak.extras.backup.redis.back_up", of(Kind.SNAPSHOT, "redis"))
    return found


def test_a_backup_is_a_new_file_for_its_owner_alone(tmp_path: Path) -> None:
    made = stored.backup("a.zip")
    assert made.path == tmp_path / "a.zip"
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert (made.manifest.cluster, made.manifest.left_out) == ("shop", ())
    assert made.manifest.servers == {"postgres": "1.0", "redis": "1.0"}
    with opened(made.path) as archive:
        assert archive.manifest == made.manifest
    with pytest.raises(UsageError, match="is there already; nothing was written"):
        stored.backup("a.zip")
    with pytest.raises(UsageError, match="there is no folder"):
        stored.backup("absent/a.zip")


def test_without_a_name_it_has_that_of_the_cluster_and_the_time(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    for given, folder in ((None, tmp_path), ("kept", tmp_path / "kept")):
        made = stored.backup(given)
        assert made.path.parent == folder
        assert made.path.name.startswith("shop-20")


@pytest.mark.parametrize("error", [DaybreakError("no"), OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_one_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fails(_: Any, writer: Writer, __: Deadline) -> str:
        with writer.part("redis", Kind.SNAPSHOT) as sink:
            sink(b"some of it")
            raise error

    monkeypatch.setattr("daybreak.extras.backup.redis.back_up", fails)
    before = set(os.listdir(tmp_path))
    with pytest.raises((DaybreakError, KeyboardInterrupt)) as caught:
        stored.backup("a.zip")
    assert set(os.listdir(tmp_path)) == before
    if isinstance(error, OSError):
        assert f"the backup cannot be written to {tmp_path}/a.zip: No space left" in str(caught.value)


def test_what_cannot_be_backed_up_is_said_with_an_exit_code(rows: dict[str, str], tmp_path: Path) -> None:
    rows["mysql"] = "ready"
    with pytest.raises(DaybreakError, match="was written, and does not hold mysql") as caught:
        command.main(["a.zip"], standalone_mode=False)
    assert caught.value.exit_code == 1
    assert (tmp_path / "a.zip").exists()
    command.main(["b.zip", "--only", "postgres,redis"], standalone_mode=False)
    with opened(tmp_path / "b.zip") as archive:
        assert archive.manifest.left_out == ("mysql",)
    with pytest.raises(UsageError, match="cannot back up mysql; nothing was written"):
        stored.backup("c.zip", only=("mysql", "redis"))
    for name in ("postgres", "redis"):
        rows.pop(name)
    with pytest.raises(UsageError, match="cannot back up mysql; nothing was written"):
        stored.backup("c.zip")
    assert not (tmp_path / "c.zip").exists()


def test_databases_that_are_not_there_or_not_ready_are_told(rows: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="has no database neo4j") as caught:
        stored.backup(only=("neo4j",))
    assert caught.value.hint == "it has postgres, redis"
    rows["redis"] = "backing-off"
    with pytest.raises(PreflightError, match="redis is backing-off"):
        stored.backup()
    stored.backup("a.zip", only=("postgres",))
    rows.clear()
    with pytest.raises(NotRunning):
        stored.backup()
    rows["serve"] = "ready"
    with pytest.raises(UsageError, match="has no databases"):
        stored.backup()


def test_a_restore_begins_where_all_is_whole_and_there(rows: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = stored.backup("a.zip")
    monkeypatch.setattr(stored, "_restore", lambda service, *rest: service)
    with stored.restoring("a.zip") as begun:
        assert list(begun.restores) == ["postgres", "redis"]
        with pytest.raises(PreflightError, match="another restore of shop is under way"), stored.restoring("a.zip"):
            pass
    with stored.restoring("a.zip", only=("redis",)) as begun:
        assert list(begun.restores) == ["redis"]
    with pytest.raises(UsageError, match="has no database mysql"), stored.restoring("a.zip", only=("mysql",)):
        pass
    rows.pop("redis")
    with pytest.raises(PreflightError, match="holds redis, and shop has none") as caught, stored.restoring("a.zip"):
        pass
    assert "--only postgres" in str(caught.value.hint)
    content = bytearray(made.path.read_bytes())
    content[content.index(b"all of it")] ^= 1
    made.path.write_bytes(content)
    with pytest.raises(UsageError, match="nothing was changed"), stored.restoring("a.zip", only=("postgres",)):
        pass
