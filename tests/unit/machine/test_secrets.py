from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from daybreak.errors import PreflightError
from daybreak.machine.secrets import ensure_secrets, write_secret


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    first = ensure_secrets(tmp_path, ["postgres", "redis"])
    assert ensure_secrets(tmp_path, ["postgres", "redis"]) == first
    assert first["postgres"] != first["redis"]
    for name, value in first.items():
        assert len(bytes.fromhex(value)) == 32
        assert mode(tmp_path / name) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["postgres", "redis"]


def test_racers_agree(tmp_path: Path) -> None:
    found: list[dict[str, str]] = []
    gate = threading.Barrier(8)

    def race() -> None:
        gate.wait()
        found.append(ensure_secrets(tmp_path, ["a", "b", "c"]))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(each == found[0] for each in found)


def test_a_file_that_others_can_read_is_closed(tmp_path: Path) -> None:
    value = ensure_secrets(tmp_path, ["token"])["token"]
    (tmp_path / "token").chmod(0o644)
    assert ensure_secrets(tmp_path, ["token"])["token"] == value
    assert mode(tmp_path / "token") == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    ensure_secrets(tmp_path, ["token"])
    os.chown(tmp_path / "token", 65534, 65534)
    for use in (lambda: ensure_secrets(tmp_path, ["token"]), lambda: write_secret(tmp_path, "token", "x")):
        with pytest.raises(PreflightError) as caught:
            use()
        assert "belongs to user 65534" in caught.value.details()[0]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    (tmp_path / "token").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PreflightError, match="nothing was changed"):
        ensure_secrets(tmp_path, ["token"])


def test_what_is_not_a_file_or_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("folder", "folder"), ("empty", "is empty"), ("pipe", "not a plain file")):
        with pytest.raises(PreflightError) as caught:
            ensure_secrets(tmp_path, [name])
        assert words in caught.value.details()[0]


@pytest.mark.parametrize("written", [b"one\ntwo\n", b"one\rtwo", b"tab\ttab", b"\x1b[2J", b"\xff", b"a\xc2\x85b"])
def test_a_password_is_one_line_of_text(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "postgres").write_bytes(written)
    with pytest.raises(PreflightError) as caught:
        ensure_secrets(tmp_path, ["postgres"])
    assert f"{tmp_path}/postgres holds a second line" in caught.value.details()[0]
    (tmp_path / "postgres").write_text('it\'s \\ "mine" ü #1\n')
    assert ensure_secrets(tmp_path, ["postgres"]) == {"postgres": 'it\'s \\ "mine" ü #1'}


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(PreflightError) as caught:
        ensure_secrets(tmp_path / "nowhere", ["token"])
    assert "No such file" in caught.value.details()[0]


def test_writing_replaces_and_leaves_an_equal_file_alone(tmp_path: Path) -> None:
    path = write_secret(tmp_path, "url", "one")
    assert (path.read_text(), mode(path)) == ("one\n", 0o600)
    before = path.stat().st_ino
    write_secret(tmp_path, "url", "one")
    assert path.stat().st_ino == before
    write_secret(tmp_path, "url", "two\n")
    assert (path.read_text(), mode(path)) == ("two\n", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["url"]
