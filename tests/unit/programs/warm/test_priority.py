"""A forked worker has Ray's low priority from its begin, and once."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator

import pytest

from daybreak.programs.warm import modules, priority

PROGRAM = {"what": f"/site/ray{modules.WORKER}", "argv": ["default_worker.py", "--worker-type=WORKER", "--node=x"]}


@pytest.fixture(name="lowered")
def _lowered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """By how much, each time."""
    made: list[int] = []
    monkeypatch.setattr(os, "nice", made.append)
    monkeypatch.delenv(priority.VARIABLE, raising=False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield made
    os.environ.pop(priority.VARIABLE, None)


@pytest.mark.parametrize(("given", "by"), [(None, 15), ("4", 4), ("0", None), ("-1", None), ("much", None)])
def test_by_as_much_as_ray_would(
    lowered: list[int], given: str | None, by: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is not None:
        monkeypatch.setenv(priority.VARIABLE, given)
    priority.begin_low(PROGRAM)
    assert lowered == ([] if by is None else [by])
    assert os.environ.get(priority.VARIABLE) == (given if by is None else "0")


@pytest.mark.parametrize("argv", [["default_worker.py", "--worker-type=SPILL_WORKER"], ["x", "--worker-type=DRIVER"]])
def test_other_programs_keep_theirs(lowered: list[int], argv: list[str]) -> None:
    priority.begin_low({**PROGRAM, "argv": argv})
    priority.begin_low({"what": "/site/ray/dashboard/agent.py", "argv": ["agent.py"]})
    assert lowered == []
    assert priority.VARIABLE not in os.environ


@pytest.mark.parametrize("given", [None, "3"])
def test_what_a_worker_starts_inherits_what_was_given(
    lowered: list[int], given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is not None:
        monkeypatch.setenv(priority.VARIABLE, given)
    rays = types.ModuleType(priority.WORKERS)
    rays.global_worker = types.SimpleNamespace()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, priority.WORKERS, rays)
    priority.begin_low(PROGRAM)

    def look() -> None:
        with pytest.raises(ImportError):
            __import__("no_module_of_this_name_")

    look()
    assert os.environ[priority.VARIABLE] == "0", "Ray has not read it yet"
    rays.global_worker.core_worker = object()
    look()
    assert os.environ.get(priority.VARIABLE) == given
    os.environ[priority.VARIABLE] = "7"
    look()
    assert os.environ[priority.VARIABLE] == "7", "once"
    assert lowered
