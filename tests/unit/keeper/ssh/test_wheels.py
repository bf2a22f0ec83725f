"""What is installed here as wheels."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import daybreak
from daybreak.keeper.ssh import wheels


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def install(folder: Path, *packed: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, *packed], check=True, timeout=120)


def test_both_kinds_can_be_installed_by_pip(tmp_path: Path) -> None:
    own, click = wheels.own(), wheels.repacked(metadata.distribution("click"))
    assert own == wheels.own()
    with zipfile.ZipFile(write(tmp_path, *own)) as archive:
        names = archive.namelist()
        assert "daybreak/spec/daybreak.schema.json" in names
        assert not any(name.endswith(".pyc") for name in names)
    packed = [tmp_path / own[0], write(tmp_path, *click)]
    install(tmp_path / "there", *packed)
    assert (tmp_path / "there/bin/daybreak").exists()
    (found,) = metadata.distributions(name="daybreak", path=[str(tmp_path / "there")])
    assert found.version == daybreak.__version__
    assert (tmp_path / "there/click/core.py").exists()


def test_what_ray_and_daybreak_need_is_all_there() -> None:
    names = {each.name.lower() for each in wheels.needed([])}
    assert {"ray", "click", "pydantic", "cryptography", "uvicorn"} <= names
    assert not names & {"daybreak", "pytest", "mypy"}


def test_a_wheel_of_several_tags_is_one_for_all_of_them() -> None:
    assert wheels._together(["py2-none-any", "py3-none-any"]) == "py2.py3-none-any"
    both = ["cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64"]
    assert wheels._together(both) == "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"


def test_programs_stay_programs(tmp_path: Path) -> None:
    """Ray's own are files of its package that can be run."""
    program, text = tmp_path / "run", tmp_path / "text"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text.write_text("text\n")
    packed = wheels._packed("a-1.dist-info", {"a/run": program, "a/text": text}, {})
    with zipfile.ZipFile(write(tmp_path, "a.whl", packed)) as archive:
        assert {name: archive.getinfo(name).external_attr >> 16 & 0o777 for name in ("a/run", "a/text")} == {
            "a/run": 0o755,
            "a/text": 0o644,
        }
        assert b'"a/run",sha256=' in archive.read("a-1.dist-info/RECORD")


def test_they_are_sent_as_one_file(tmp_path: Path) -> None:
    wheels.tar_of([("a.whl", b"a"), ("b.whl", b"bb")], tmp_path / "new/both.tar")
    with tarfile.open(tmp_path / "new/both.tar") as archive:
        assert [(each.name, each.size) for each in archive] == [("a.whl", 1), ("b.whl", 2)]
