"""What `down --volumes` shows before it asks."""

from __future__ import annotations

import os
from pathlib import Path

from daybreak.cli.common.stored_data import about_to_delete
from daybreak.keeper.control.owner import Owner
from daybreak.paths import ClusterPaths


def test_the_folder_the_size_and_the_age_of_the_data_are_named(tmp_path: Path) -> None:
    paths = ClusterPaths("shop", tmp_path / "state" / "shop", tmp_path / "run")
    file = paths.data / "postgres" / "base" / "1"
    file.parent.mkdir(parents=True)
    (paths.data / "redis").mkdir()
    file.write_bytes(b"x" * 3_000_000)
    os.utime(file, (1000.0, 1000.0))
    Owner(str(tmp_path / "shop")).save(paths)
    first, second = about_to_delete(paths, now=1000.0 + 2 * 86400)
    assert first == f"cluster shop of {tmp_path / 'shop'}"
    assert second.startswith("postgres: 2.9 MiB in ")
    assert str(paths.data / "postgres") in second
    assert second.endswith("2 days ago")


def test_nothing_stored_is_nothing_to_show(tmp_path: Path) -> None:
    assert about_to_delete(ClusterPaths("shop", tmp_path / "state", tmp_path / "run")) == []
