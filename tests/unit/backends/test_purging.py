"""Deleting what databases have stored."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.process.purging import purge
from daybreak.errors import DaybreakError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("postgres", "redis"):
        folder = tmp_path / "data" / name / "base"
        folder.mkdir(parents=True)
        (folder / "1").write_text("rows")
    return tmp_path / "data"


def test_all_of_it_goes_and_what_is_not_named_stays(data: Path) -> None:
    purge(data, ["postgres", "never-there"])
    assert [path.name for path in data.iterdir()] == ["redis"]


def test_a_link_is_refused_and_nothing_is_deleted(data: Path, tmp_path: Path) -> None:
    (data / "postgres").rename(tmp_path / "elsewhere")
    (data / "postgres").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DaybreakError, match=f"is a link to {tmp_path}/elsewhere: nothing was deleted"):
        purge(data, ["redis", "postgres"])
    assert (data / "redis/base/1").exists()
    assert (tmp_path / "elsewhere/base/1").exists()


def test_what_cannot_be_deleted_is_told_and_is_no_databases_data_any_more(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, onerror: Any) -> None:
        onerror(None, str(path / "base"), (OSError, PermissionError(1, "Operation not permitted"), None))

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", refuse)
        with pytest.raises(DaybreakError, match=r"not all data was deleted: .*base: Operation not permitted") as raised:
            purge(data, ["postgres"])
    assert str(data) in str(raised.value.hint)
    assert not (data / "postgres").exists()
    purge(data, ["redis"])
    assert list(data.iterdir()) == [], "the next time the rest goes"


def test_what_an_upgrade_has_kept_goes_too(tmp_path: Path) -> None:
    for name in ("postgres", "postgres.before-18", "postgres.upgraded", "redis"):
        (tmp_path / name).mkdir()
    purge(tmp_path, ["postgres"])
    assert [path.name for path in tmp_path.iterdir()] == ["redis"]
