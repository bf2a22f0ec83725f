"""The loop that waits without an event loop."""

from __future__ import annotations

import time

import pytest

from daybreak.naps import naps


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each nap was; the clock goes on by it."""
    found: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: sum(found))
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def test_there_is_a_turn_at_once_and_one_at_the_deadline(slept: list[float]) -> None:
    turns = [time.monotonic() for _ in naps(1.0, first_s=0.1, longest_s=0.4)]
    assert turns == pytest.approx([0.0, 0.1, 0.3, 0.7, 1.0])
    assert slept == pytest.approx([0.1, 0.2, 0.4, 0.3])


def test_where_the_time_is_up_already_there_is_one_turn(slept: list[float]) -> None:
    assert len(list(naps(0.0))) == 1
    assert slept == []


def test_what_has_come_ends_it(slept: list[float]) -> None:
    assert any(len(slept) == 2 for _ in naps(60.0))
    assert len(slept) == 2
