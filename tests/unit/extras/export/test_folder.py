"""The folder that is exported to."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from daybreak.docker.images.context import application_files
from daybreak.errors import ExportRefused
from daybreak.extras.export.files import Export, File
from daybreak.extras.export.folder import Folder, Written

EXPORT = Export(
    (File("compose.yaml", "one\n"), File("config/x.py", "x\n"), File(".gitignore", "/secrets/\n")), ("a", "b"), ()
)
NEWER = Export((File("compose.yaml", "two\n"), *EXPORT.files[1:]), ("a", "b"), ())


def write(path: Path, export: Export = EXPORT, *, force: bool = False) -> Written:
    folder = Folder(path, None)
    folder.check(export, force=force)
    passwords = folder.passwords(export.secrets)
    return folder.write(export, passwords, {"a-url": f"x://{passwords['a']}"})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_secrets_are_written(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        written = write(tmp_path / "out")
    finally:
        os.umask(before)
    assert written.files == (
        *(file.path for file in EXPORT.files),
        "secrets/a",
        "secrets/b",
        "secrets/a-url",
    )
    out = tmp_path / "out"
    assert mode(out / "secrets") == 0o700
    assert {mode(path) for path in (out / "secrets").iterdir()} == {0o600}
    # Containers have another account.
    assert (mode(out / "compose.yaml"), mode(out / "config") & 0o055, mode(out / "config/x.py")) == (
        0o644,
        0o055,
        0o644,
    )
    assert len((out / "secrets/a").read_text()) == 65
    assert (out / "secrets/.gitignore").read_text() == "*\n"


def test_a_second_export_keeps_secrets_and_replaces_its_own_files(tmp_path: Path) -> None:
    write(tmp_path)
    before = (tmp_path / "secrets/a").read_text()
    written = write(tmp_path, NEWER)
    assert (tmp_path / "secrets/a").read_text() == before
    assert written.kept == ("secrets/a", "secrets/b", "secrets/a-url")
    assert (tmp_path / "compose.yaml").read_text() == "two\n"


def test_a_password_of_the_user_s_own_is_taken(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/a").write_text("mine")
    write(tmp_path)
    assert (tmp_path / "secrets/a-url").read_text() == "x://mine\n"
    assert mode(tmp_path / "secrets/a") == 0o600


def test_everything_of_the_user_s_that_is_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    for name in ("compose.yaml", "config/x.py", ".gitignore", "other.txt"):
        (tmp_path / name).write_text("mine\n")
    with pytest.raises(ExportRefused) as refused:
        write(tmp_path)
    assert refused.value.exit_code == 2
    assert refused.value.details() == [
        "compose.yaml exists, and is not from an export",
        "config/x.py exists, and is not from an export",
    ]
    assert not (tmp_path / "secrets").exists()
    written = write(tmp_path, force=True)
    assert (tmp_path / "compose.yaml").read_text() == "one\n"
    # Another tool's file, and secrets are left out without it.
    assert written.left == (".gitignore",)
    assert (tmp_path / ".gitignore").read_text() == (tmp_path / "other.txt").read_text() == "mine\n"


def test_a_change_by_the_user_is_the_user_s(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "compose.yaml").write_text("mine\n")
    with pytest.raises(ExportRefused, match="nothing was written") as refused:
        write(tmp_path, NEWER)
    assert refused.value.details() == ["compose.yaml was changed since the last export"]
    assert (tmp_path / "compose.yaml").read_text() == "mine\n"


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine\n")
    out = tmp_path / "out"
    out.mkdir()
    (out / "compose.yaml").symlink_to(outside)
    with pytest.raises(ExportRefused):
        write(out)
    write(out, force=True)
    assert outside.read_text() == "mine\n"
    assert not (out / "compose.yaml").is_symlink()


def test_what_is_no_folder_cannot_be_forced(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("")
    (tmp_path / "compose.yaml").mkdir()
    with pytest.raises(ExportRefused) as refused:
        write(tmp_path, force=True)
    assert refused.value.details() == ["secrets is not a folder", "compose.yaml is a folder"]
    with pytest.raises(ExportRefused):
        write(tmp_path / "secrets")


def test_an_empty_secret_is_told(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/b").write_text("")
    with pytest.raises(ExportRefused) as refused:
        write(tmp_path)
    assert refused.value.details() == ["secrets/b is empty"]


def test_a_broken_manifest_is_none(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / ".daybreak-export.json").write_text(json.dumps({"files": 3}))
    with pytest.raises(ExportRefused):
        write(tmp_path, NEWER)


def test_no_image_gets_the_secrets(tmp_path: Path) -> None:
    write(tmp_path / "deploy")
    (tmp_path / ".dockerignore").write_text("!deploy/secrets\n!**/secrets/*\n")
    assert "deploy/compose.yaml" in dict(application_files(tmp_path))
    assert not [name for name, _ in application_files(tmp_path) if "secrets/" in name]
