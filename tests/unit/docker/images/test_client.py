"""Finding a docker command that can build, and what its refusals mean."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daybreak.docker import docker_cli as command
from daybreak.errors import DaybreakError


def fake(folder: Path, script: str) -> Path:
    """A `docker` of a few lines of shell."""
    folder.mkdir(exist_ok=True)
    path = folder / "docker"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


OLD = 'case "$1 $3" in "version {{.Client.Version}}") echo 20.10.24;; version*) echo 25.0.3;; *) exit 1;; esac'
BARE = OLD.replace("20.10.24", "28.2.0")
PLUGIN = BARE.replace("version*)", "buildx*) echo v0.13;; version*)")


@pytest.mark.parametrize("script", [OLD, PLUGIN])
def test_one_that_builds_is_found_behind_one_that_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    fake(tmp_path / "a", BARE)
    good = fake(tmp_path / "b", script)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b"), "/bin"]))
    assert command.find().program == str(good)


def test_the_plugin_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "a", BARE)
    monkeypatch.setenv("PATH", str(tmp_path / "a"))
    with pytest.raises(DaybreakError, match="buildx"):
        command.find()


def test_no_docker_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DaybreakError, match="not installed"):
        command.find()
