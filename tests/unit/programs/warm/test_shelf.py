"""Modules that have effects when they are imported, and those that import them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.programs.warm.shelf import Shelf

SOURCES = {
    "pool_/__init__.py": "from pool_.calls import compute",
    "pool_/calls.py": "def compute(): pass",
    "frame_/__init__.py": "from pool_ import compute",
    "frame_/core.py": "from other_ import value",
    "chart_.py": "import frame_",
    "other_.py": "value = 1",
    "space_/uses_.py": "import pool_",
    "space_/plain_.py": "",
}
NAMES = ["pool_", "pool_.calls", "frame_", "frame_.core", "chart_", "other_", "space_.uses_", "space_.plain_"]
SHELVED = {"pool_", "pool_.calls", "frame_", "frame_.core", "chart_", "space_.uses_"}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Shelf, list[str]]]:
    """All of them imported, and put where they belong; `pool_` and `other_x` have effects."""
    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(sys.modules)
    for name in NAMES:
        importlib.import_module(name)
    effects: list[str] = []
    made = Shelf()
    made.when_imported("pool_", lambda: effects.append("pool_"))
    made.put()
    yield made, effects
    if made in sys.meta_path:
        sys.meta_path.remove(made)
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


def test_what_has_effects_is_not_there_nor_what_imports_it(shelf: tuple[Shelf, list[str]]) -> None:
    made, effects = shelf
    assert set(made.modules) == SHELVED
    assert not SHELVED & set(sys.modules)
    assert {"other_", "space_", "space_.plain_"} <= set(sys.modules)
    assert effects == []


@pytest.mark.parametrize("name", sorted(SHELVED))
def test_an_import_has_the_effects_once_and_finds_the_same_module(shelf: tuple[Shelf, list[str]], name: str) -> None:
    made, effects = shelf
    module = made.modules[name]
    spec = module.__spec__
    made.arm()
    import other_  # type: ignore[import-not-found]

    assert other_.value == 1
    assert effects == []
    assert importlib.import_module(name) is module is sys.modules[name]
    assert module.__spec__ is spec
    assert effects == ["pool_"]
    # What it imports is there with it, what imports it is not.
    assert {"pool_", "pool_.calls"} <= set(sys.modules)
    assert ("chart_" in sys.modules) == (name == "chart_")
    importlib.import_module("chart_")
    assert effects == ["pool_"]
    assert not {"frame_", "chart_"} & set(made.modules)


def test_a_spec_that_is_only_looked_for_tells_what_the_real_one_tells(shelf: tuple[Shelf, list[str]]) -> None:
    made, effects = shelf
    real = made.modules["frame_"].__spec__
    made.arm()
    found = importlib.util.find_spec("frame_")
    assert found is not None
    assert found.loader is not None
    assert (found.origin, found.submodule_search_locations) == (real.origin, real.submodule_search_locations)
    assert found.loader.get_source("frame_") == SOURCES["frame_/__init__.py"]  # type: ignore[attr-defined]
    assert effects == []


def test_the_template_imports_without_effects(shelf: tuple[Shelf, list[str]]) -> None:
    made, effects = shelf
    made.stand_first()
    made.open()
    importlib.import_module("chart_")
    assert effects == []
    assert {"chart_", "frame_", "pool_"} <= set(sys.modules)
    made.put()
    assert set(made.modules) == SHELVED
    made.arm()
    importlib.import_module("chart_")
    assert effects == ["pool_"]
