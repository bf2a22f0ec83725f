"""Helpers of the spec's tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from daybreak.errors import Problem, SpecError
from daybreak.spec.load import LoadedSpec, load_spec

Load = Callable[..., LoadedSpec]
Problems = Callable[..., tuple[Problem, ...]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a spec's text into a folder called `shop` and load it."""

    def run(text: str, overrides: Mapping[str, Any] | None = None) -> LoadedSpec:
        folder = tmp_path / "shop"
        folder.mkdir(exist_ok=True)
        file = folder / "daybreak.yaml"
        file.write_text(dedent(text), encoding="utf-8")
        return load_spec(file, overrides=overrides)

    return run


@pytest.fixture
def problems(load: Load) -> Problems:
    """Load a spec that is not valid and return what is wrong with it."""

    def run(text: str, overrides: Mapping[str, Any] | None = None) -> tuple[Problem, ...]:
        with pytest.raises(SpecError) as caught:
            load(text, overrides)
        return caught.value.problems

    return run
