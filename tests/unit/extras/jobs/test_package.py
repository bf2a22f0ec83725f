"""What of a folder is sent with a job."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from daybreak.errors import UsageError
from daybreak.extras.jobs import package
from daybreak.extras.jobs.package import packed


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(folder: Path) -> list[str]:
    found = packed(folder)
    assert found
    return sorted(zipfile.ZipFile(io.BytesIO(found.content)).namelist())


def test_ignored_files_and_what_nobody_means_stay(tmp_path: Path) -> None:
    write(
        tmp_path,
        x_dot_py="print()",
        data__big_dot_bin="0",
        _dot_gitignore="data/\n",
        lib__keep_dot_py="",
        lib__drop_dot_txt="",
        lib___dot_rayignore="*.txt\n",
        other_dot_txt="",
        _dot_git__HEAD="",
        venv__x="",
        pkg__x_dot_py="",
    )
    write(tmp_path / "pkg" / "__pycache__", x="")
    assert names(tmp_path) == [".gitignore", "lib/.rayignore", "lib/keep.py", "other.txt", "pkg/x.py", "x.py"]


def test_the_name_tells_the_content_and_modes_are_kept(tmp_path: Path) -> None:
    write(tmp_path, run_dot_sh="#!/bin/sh\n")
    plain = packed(tmp_path)
    (tmp_path / "run.sh").chmod(0o755)
    first = packed(tmp_path)
    os.utime(tmp_path / "run.sh", (0, 0))
    again = packed(tmp_path)
    assert plain
    assert first
    assert again
    assert plain.name != first.name == again.name
    assert zipfile.ZipFile(io.BytesIO(first.content)).infolist()[0].external_attr >> 16 & 0o111
    (tmp_path / "run.sh").write_text("other")
    changed = packed(tmp_path)
    assert changed
    assert changed.name != first.name


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    write(tmp_path, a__x_dot_py="")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "a" / "gone").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path) == ["a/x.py"]


def test_files_with_secrets_stay_here(tmp_path: Path) -> None:
    write(tmp_path, x_dot_py="", key="secret")
    found = packed(tmp_path, {(tmp_path / "key").resolve()})
    assert found
    assert zipfile.ZipFile(io.BytesIO(found.content)).namelist() == ["x.py"]


def test_an_empty_folder_is_not_sent(tmp_path: Path) -> None:
    assert packed(tmp_path) is None


def test_what_is_too_large_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MOST_UNPACKED_BYTES", 10)
    write(tmp_path, big_dot_bin="0" * 20, small="1")
    with pytest.raises(UsageError, match=r"the largest: big\.bin .* nothing was submitted") as caught:
        packed(tmp_path)
    assert ".rayignore" in str(caught.value.hint)


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        packed(tmp_path / "nowhere")
