"""Rotation of what services and Ray's processes write: real files, small limits."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from daybreak.keeper.housekeeping.log_rotation import rotate, rotate_printed
from daybreak.paths import ClusterPaths
from daybreak.show.logs.sources import Sources

SESSION = "session_2026-11-25_10-08-43_370671_10245"
ID = "068366c88c5db226010bc78cb904a015dd153033cec4ba31d63c5daa"
OUT, ERR = f"worker-{ID}-01000000-12.out", f"worker-{ID}-01000000-12.err"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The logs of the head's latest session, in the runtime folder `run`."""
    made = tmp_path / "run/head" / SESSION / "logs"
    made.mkdir(parents=True)
    # As a node in a container writes it.
    (tmp_path / "run/head/session_latest").symlink_to(f"/inside/{SESSION}")
    return made


def lines(count: int, first: int = 0) -> str:
    return "".join(f"line {number}\n" for number in range(first, first + count))


def test_what_the_gateway_tells_of_requests_is_rotated_as_logs_are(tmp_path: Path) -> None:
    put(tmp_path / "gateway.access", lines(100))
    put(tmp_path / "gateway.pid", lines(100))
    assert rotate(tmp_path, most_bytes=100) == [tmp_path / "gateway.access"]


def test_a_log_over_the_limit_is_copied_and_cut_and_old_ones_move_on(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with open(log, "a") as writer:
        for round_ in range(5):
            writer.write(f"round {round_}\n" * 10)
            writer.flush()
            assert rotate(tmp_path, most_bytes=79, keep=3) == [log]
            assert log.read_text() == ""
        writer.write("after\n")
    assert log.read_text() == "after\n"
    assert [(tmp_path / f"api.log.{number}").read_text()[:7] for number in (1, 2, 3)] == [
        "round 4",
        "round 3",
        "round 2",
    ]
    assert not (tmp_path / "api.log.4").exists()
    assert (tmp_path / "api.log.1").stat().st_mode & 0o777 == 0o600


def test_a_log_within_the_limit_and_other_files_are_left(tmp_path: Path) -> None:
    put(tmp_path / "api.log", "x" * 80)
    put(tmp_path / "notes.txt", "x" * 800)
    assert rotate(tmp_path, most_bytes=80) == []
    assert rotate(tmp_path / "none") == []


def test_of_a_huge_log_the_last_lines_are_kept_whole(tmp_path: Path) -> None:
    log = put(tmp_path / "api.log", lines(1000))
    rotate(tmp_path, most_bytes=100)
    kept = (tmp_path / "api.log.1").read_text()
    assert len(kept) <= 100
    assert lines(1000).endswith(kept)
    assert kept.startswith("line 9")
    assert log.stat().st_size == 0


def test_on_a_full_disk_old_logs_stay_and_nothing_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, old = put(tmp_path / "api.log", lines(100)), put(tmp_path / "api.log.1", "old")

    def full(*_: object) -> bytes:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "pread", full)
    assert rotate(tmp_path, most_bytes=100) == []
    assert (log.read_text(), old.read_text()) == (lines(100), "old")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api.log", "api.log.1"]


def test_what_replicas_print_is_bounded(tmp_path: Path, logs: Path) -> None:
    put(logs / OUT, lines(100))
    put(logs / ERR, lines(100))
    others = [put(logs / name, lines(100)) for name in ("raylet.out", "job-driver-raysubmit_x.log", f"{OUT}.2")]
    assert rotate_printed(tmp_path / "run", most_bytes=100) == [logs / ERR, logs / OUT]
    assert (logs / OUT).read_text() == ""
    assert (logs / f"{OUT}.1").read_text().endswith("line 99\n")
    assert all(path.read_text() == lines(100) for path in others)


def test_whose_a_file_is_stays_in_its_first_lines(tmp_path: Path, logs: Path) -> None:
    begin = ":job_id:01000000\n:actor_name:ServeReplica:default:App\n"
    put(logs / OUT, begin + lines(100))
    rotate_printed(tmp_path / "run", most_bytes=100)
    with open(logs / OUT, "a") as replica:
        replica.write("more\n")
    assert (logs / OUT).read_text() == begin + "more\n"
    sources = Sources(ClusterPaths("it", tmp_path / "state", tmp_path / "run"), ["serve"])
    latest = logs.parent.parent / "session_latest"
    latest.unlink()
    latest.symlink_to(logs.parent)
    assert [source.label for source in sources.find()] == ["serve/default_App-12"]


@pytest.mark.parametrize("what", ["log", "logs", "session", "node", "up"])
def test_no_link_in_a_node_s_folder_is_followed(tmp_path: Path, logs: Path, what: str) -> None:
    """Containers write into these folders."""
    victim = put(tmp_path / "victim" / OUT, lines(100))
    session, node = logs.parent, logs.parent.parent
    if what == "log":
        (logs / OUT).symlink_to(victim)
    elif what == "up":
        (node / "session_latest").unlink()
        (node / "session_latest").symlink_to("../..")
        put(tmp_path / "run/logs" / OUT, lines(100))
    else:
        replaced = {"logs": logs, "session": session, "node": node}[what]
        replaced.rename(tmp_path / "away")
        (tmp_path / "victim").rename(tmp_path / "kept")
        target = {"logs": "kept", "session": "around", "node": "far"}[what]
        (tmp_path / "around").mkdir()
        (tmp_path / "around/logs").symlink_to(tmp_path / "kept")
        replaced.symlink_to(tmp_path / target)
        victim = tmp_path / "kept" / OUT
    assert rotate_printed(tmp_path / "run", most_bytes=100) == []
    assert victim.read_text() == lines(100)


def test_no_cluster_no_session(tmp_path: Path) -> None:
    (tmp_path / "run/head").mkdir(parents=True)
    put(tmp_path / "run/serve-status.json", "{}")
    assert rotate_printed(tmp_path / "run") == []
    assert rotate_printed(tmp_path / "none") == []
