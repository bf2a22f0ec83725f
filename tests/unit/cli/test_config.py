"""`daybreak config`: the spec as it is meant, written as one would write it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from daybreak.cli.app import app

SPEC = """\
name: shop
head: {cpus: 1}
workers: {count: 2, cpus: 2, resources: {camera: 3}}
services:
  api: {command: [python, api.py], stop_grace: 1500ms, start_timeout: 1m}
"""


def test_whole_numbers_have_no_point_and_others_keep_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "daybreak.yaml").write_text(SPEC)
    done = CliRunner().invoke(app, ["config"], standalone_mode=False)
    assert "cpus: 1\n" in done.stdout
    assert "camera: 3\n" in done.stdout
    assert "stop_grace: 1.5\n" in done.stdout
    assert "start_timeout: 60\n" in done.stdout
    (tmp_path / "daybreak.yaml").write_text(done.stdout)
    again = CliRunner().invoke(app, ["config", "--json"], standalone_mode=False)
    assert json.loads(again.stdout)["workers"] == {"count": 2, "cpus": 2, "resources": {"camera": 3}}
