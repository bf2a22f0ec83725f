"""How long requests take, counted in fixed buckets of about a quarter each. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping

_STEPS = (10, 12.5, 16, 20, 25, 32, 40, 50, 63, 80)
# Upper bounds in ms, inclusive, up to some minutes; what takes longer is in one place behind them.
BOUNDS_MS = (0, 1, 2, 3, 4, 5, 6, 8, *(round(step * 10**power) for power in range(5) for step in _STEPS))


def bucket(latency_ms: int) -> int:
    """The number of its bucket."""
    return bisect_left(BOUNDS_MS, latency_ms)


def quantile(counts: Mapping[int, int], share: float, slowest_ms: int) -> float | None:
    """What `share` of the requests did not exceed, in ms, from the counts by bucket; None where there are none."""
    left = share * sum(counts.values())
    for number in sorted(counts):
        count = counts[number]
        if left <= count:
            low = BOUNDS_MS[number - 1] if number else 0
            high = min(BOUNDS_MS[number] if number < len(BOUNDS_MS) else math.inf, slowest_ms)
            return low + (high - low) * left / count if high > low else float(high)
        left -= count
    return float(slowest_ms) if counts else None
