"""The programs of Ray's interpreter, which find their neighbours as programs do."""

from __future__ import annotations

from pathlib import Path

import pytest

import daybreak.rayside


@pytest.fixture
def neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their folder is on the search path."""
    monkeypatch.syspath_prepend(Path(daybreak.rayside.__file__).parent)
