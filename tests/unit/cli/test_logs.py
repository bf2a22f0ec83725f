"""`daybreak logs`: which names it takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from daybreak import api
from daybreak.cli.app import app
from daybreak.errors import UsageError
from daybreak.paths import ClusterPaths


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster whose report runs at night, and has not run yet."""
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "runtime"))
    paths = ClusterPaths.of("shop")
    paths.logs.mkdir(parents=True)
    (paths.logs / "api.log").write_text("hello\n")
    snapshot = SimpleNamespace(services=[SimpleNamespace(name="api"), SimpleNamespace(name="report")])
    monkeypatch.setattr(api, "status", lambda name: SimpleNamespace(snapshot=snapshot))


def test_a_service_that_has_not_run_yet_has_written_nothing() -> None:
    done = CliRunner().invoke(app, ["logs", "-n", "shop", "report", "api"], standalone_mode=False)
    assert done.exit_code == 0
    assert done.stderr == "report has not written anything yet\n"
    assert "hello" in done.stdout
    alone = CliRunner().invoke(app, ["logs", "-n", "shop", "report"], standalone_mode=False)
    assert (alone.exit_code, alone.stdout, alone.stderr) == (0, "", done.stderr)


def test_a_name_that_nothing_has_is_refused() -> None:
    refused = CliRunner().invoke(app, ["logs", "-n", "shop", "report", "nobody"], standalone_mode=False).exception
    assert isinstance(refused, UsageError)
    assert "no log of nobody in cluster shop" in str(refused)
