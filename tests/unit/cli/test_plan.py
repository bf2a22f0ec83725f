"""`daybreak plan`: what it prints."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from daybreak import api
from daybreak.cli import plan
from daybreak.cli.app import app


def test_reasons_stand_below_each_other_however_long_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: dict[str, Any] = {
        "stop": [{"service": "api", "why": "its configuration changed"}],
        "start": [
            {"service": "worker-camera-1", "why": "not running", "needs": ["head"]},
            {"service": "api", "why": "its configuration changed", "needs": []},
        ],
        "keep": ["warm"],
    }
    monkeypatch.setattr(plan, "read", lambda *given, **named: SimpleNamespace())
    monkeypatch.setattr(api, "plan", lambda *given, **named: steps)
    assert CliRunner().invoke(app, ["plan"]).stdout.splitlines() == [
        "stop   api             its configuration changed",
        "start  worker-camera-1 not running  after head",
        "start  api             its configuration changed",
        "keep   warm",
    ]
