"""`daybreak export compose`: what it says of what is not in the files."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from daybreak.cli.app import app
from daybreak.cli.export import compose

SPEC = """
name: shop
ray: {auth: false}
services:
  api: {command: [python, api.py]}
  debug: {command: [python, debug.py], profiles: [debug, test]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(compose, "engine_version", lambda: None)
    (tmp_path / "daybreak.yaml").write_text(SPEC)
    return tmp_path


def export(*words: str) -> str:
    done = CliRunner().invoke(app, ["export", "compose", "out", "--image", "x:1", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stderr


def test_what_a_profile_leaves_out_is_told(folder: Path) -> None:
    assert "services.debug is not in it: that takes --profile debug or test" in export()
    assert "services.debug" not in export("--profile", "test")
    assert "debug.py" in (folder / "out" / "compose.yaml").read_text()


def test_ports_without_a_token_are_warned_of(folder: Path) -> None:
    assert "ray.auth is false" in export()
    (folder / "daybreak.yaml").write_text(SPEC.replace("false", "true"))
    assert "ray.auth" not in export()
