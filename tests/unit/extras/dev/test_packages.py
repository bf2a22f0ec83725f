"""What has been installed beside `dev`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from daybreak.extras.dev import packages
from daybreak.extras.dev.packages import Packages, differing, packages_of


def install(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.dist-info").mkdir()


def test_what_came_is_named_and_what_went_for_good() -> None:
    before = {"numpy-2.0": 1, "pandas-2.2": 1, "six-1": 1, "attrs-1": 1}
    now = {"numpy-2.1": 2, "pandas-2.2": 3, "attrs-1": 1}
    assert differing(before, now) == ["numpy-2.1", "pandas-2.2", "-six-1"]


def test_an_installation_is_told_when_it_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look is a step of the story: nothing is told while something still comes."""
    monkeypatch.setattr(packages, "LOOK_S", 0.0)
    install(tmp_path, "numpy-2.0")
    steps = iter([["pandas-2.2"], [], ["six-1"], [], [], []])

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            del timeout
            found = next(steps, None)
            install(tmp_path, *(found or []))
            return found is None

    assert list(Packages(frozenset([tmp_path])).changes(Stop())) == [["pandas-2.2", "six-1"]]


def test_each_interpreter_has_its_own(tmp_path: Path) -> None:
    assert packages_of(None).folders == packages_of(sys.executable).folders
    assert any(name.startswith("pytest-") for name in packages_of(None).now())
    assert packages_of(str(tmp_path / "nowhere")).now() == {}
