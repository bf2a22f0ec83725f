"""What `down` says when there was nothing to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daybreak import api
from daybreak.cli.down import down


@pytest.mark.parametrize(
    ("done", "words"),
    [
        ({}, "shop was down already"),
        ({"run": 7}, "shop is down after "),
        ({"deleted": ["redis"]}, "; deleted the data"),
    ],
)
def test_the_last_line_is_true(
    done: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path))
    monkeypatch.setattr(api, "down", lambda *_, **__: done)
    said = CliRunner().invoke(down, ["-n", "shop"], catch_exceptions=False)
    assert words in said.stderr
