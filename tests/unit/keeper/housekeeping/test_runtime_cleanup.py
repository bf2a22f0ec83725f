"""What is left in the runtime folder of a cluster that has ended."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from daybreak.keeper.housekeeping.runtime_cleanup import clean_runtime, spare


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def test_the_newest_logs_stay_and_everything_else_goes(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    outside = tmp_path / "outside" / "kept"
    write(outside)
    for name in (
        "head/session_2/logs/raylet.out",
        "head/session_2/runtime_resources/venv/bin/python",
        "head/session_1/logs/raylet.out",
        "head/ray_current_cluster",
        "warm/template.socket",
        "serve-request.json",
        "keeper.sock",
    ):
        write(runtime / name)
    (runtime / "head" / "session_latest").symlink_to(runtime / "head" / "session_2")
    (runtime / "worker-1").mkdir()
    (runtime / "worker-1" / "session_latest").symlink_to(tmp_path / "outside")
    (runtime / "link").symlink_to(tmp_path / "outside")
    clean_runtime(runtime, frozenset(["keeper.sock"]))
    assert files(runtime) == {
        "head/session_2/logs/raylet.out",
        "head/session_latest",
        "worker-1/session_latest",
        "keeper.sock",
    }
    assert outside.exists()


def test_a_folder_that_is_not_there_is_tidy(tmp_path: Path) -> None:
    clean_runtime(tmp_path / "nowhere", frozenset())


def test_a_cleaner_of_tmp_leaves_the_folder_of_a_running_cluster_alone(tmp_path: Path) -> None:
    """systemd-tmpfiles passes over folders that it cannot lock for itself alone."""
    held, second = spare(tmp_path), spare(tmp_path)
    cleaner = os.open(tmp_path, os.O_RDONLY)
    os.close(second)
    with pytest.raises(BlockingIOError):
        fcntl.flock(cleaner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(held)
    fcntl.flock(cleaner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(cleaner)
