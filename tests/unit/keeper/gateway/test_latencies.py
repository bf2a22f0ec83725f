"""Quantiles from counts by bucket."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from daybreak.keeper.gateway.latencies import BOUNDS_MS, bucket, quantile


def test_the_bounds_rise() -> None:
    assert list(BOUNDS_MS) == sorted(set(BOUNDS_MS))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_quantile_is_as_exact_as_its_bucket(share: float) -> None:
    drawn = random.Random(7)
    values = [round(drawn.lognormvariate(3.5, 1.2)) for _ in range(5000)]
    exact = sorted(values)[int(share * len(values))]
    found = quantile(Counter(map(bucket, values)), share, max(values))
    assert found == pytest.approx(exact, rel=0.27, abs=1)


def test_no_quantile_is_above_what_was_slowest() -> None:
    assert quantile({bucket(5001): 1}, 0.99, 5001) == pytest.approx(5001, rel=0.01)
    assert quantile({bucket(10**9): 3}, 0.99, 10**9) == pytest.approx(10**9, rel=0.01)
    assert quantile({bucket(0): 3}, 0.5, 0) == 0


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5, 0) is None
