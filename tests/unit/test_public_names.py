"""What users import from `daybreak`, whatever else has been imported."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import daybreak
from daybreak import api


def test_the_context_manager_can_be_called_beside_the_package_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("daybreak.services.service")
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(api, "cluster", lambda **options: given.append(options))
    found: Any = daybreak.cluster
    found(workers=2)
    assert given == [{"workers": 2}]


@pytest.mark.parametrize("name", daybreak.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(daybreak, name)
