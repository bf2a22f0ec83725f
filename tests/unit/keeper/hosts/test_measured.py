"""Latency and clocks between two machines, from stamps alone."""

from __future__ import annotations

import math

import pytest

from daybreak.keeper.hosts.measured import MOST, Distance


def exchange(distance: Distance, *, at: float, ahead: float, there: float, back: float, waits: float = 2.0) -> None:
    """One message there and its answer, of machines whose clocks differ by `ahead`."""
    heard = at + there + ahead
    stamps = {"asked": at, "heard": heard, "told": heard + waits}
    distance.hear(stamps, at + there + waits + back)


def test_what_the_other_end_waits_does_not_count() -> None:
    distance = Distance()
    assert (distance.latency_s, distance.ahead_s) == (None, None)
    exchange(distance, at=1000.0, ahead=-3.0, there=0.002, back=0.002)
    assert distance.latency_s == pytest.approx(0.004)
    assert distance.ahead_s == pytest.approx(-3.0)


def test_the_quickest_of_the_last_ones_counts() -> None:
    distance = Distance()
    exchange(distance, at=1000.0, ahead=1.0, there=0.001, back=0.001)
    exchange(distance, at=1010.0, ahead=1.0, there=0.9, back=0.001)
    assert distance.ahead_s == pytest.approx(1.0)
    for number in range(MOST):
        exchange(distance, at=2000.0 + number, ahead=5.0, there=0.1, back=0.1)
    assert distance.ahead_s == pytest.approx(5.0)
    distance.forget()
    assert distance.latency_s is None


@pytest.mark.parametrize(
    "stamps",
    [
        {},
        {"asked": 1.0, "heard": 2.0},
        {"asked": 1.0, "heard": "soon", "told": None},
        {"asked": 1.0, "heard": math.nan, "told": 1.0},
        {"asked": 1.0, "heard": -math.inf, "told": 1.0},
        # A clock was set between two of them.
        {"asked": 1.0, "heard": 2.0, "told": 3600.0},
        {"asked": -3600.0, "heard": 1.0, "told": 1.0},
    ],
)
def test_nonsense_is_left_out(stamps: dict[str, object]) -> None:
    distance = Distance()
    distance.hear(stamps, 2.0)
    assert distance.latency_s is None
