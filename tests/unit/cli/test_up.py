"""`daybreak up`: what it tells beside what the cluster is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from daybreak.cli import up
from daybreak.cli.app import app


@pytest.fixture(autouse=True)
def _nothing_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(up, "_start_keeper_early", lambda name, file: None)
    monkeypatch.setattr(up, "read_or_stored", lambda *given: SimpleNamespace(name="shop"))
    monkeypatch.setattr(up, "follow", lambda change, as_json: None)


@pytest.mark.parametrize(
    ("words", "has_file", "told"),
    [
        (("--port-offset", "100"), True, True),
        ((), True, False),
        (("--port-offset", "100"), False, False),  # options alone are kept
    ],
)
def test_an_offset_that_the_file_does_not_have_is_told(
    words: tuple[str, ...], has_file: bool, told: bool, tmp_path: Path
) -> None:
    if has_file:
        (tmp_path / "daybreak.yaml").write_text("name: shop\n")
    done = CliRunner().invoke(app, ["up", *words], standalone_mode=False)
    assert done.exit_code == 0
    assert ("`ports: {offset: 100}` in the file keeps it" in done.stderr) is told
