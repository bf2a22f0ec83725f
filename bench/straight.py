"""The straight line through points, by least squares: what one more of something costs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Straight:
    """y = slope * x + start, in the units of the points.

    `max_deviation` is the largest distance of a point from it along y, `max_deviation_share` the largest such distance
    as a share of the line's own y there.
    """

    slope: float
    start: float
    max_deviation: float
    max_deviation_share: float


def straight(points: Sequence[Point]) -> Straight | None:
    """The line through at least two points with different x; None for fewer."""
    count = len(points)
    if len({x for x, _ in points}) < 2:
        return None
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    start = mean_y - slope * mean_x
    away = [(abs(y - (slope * x + start)), slope * x + start) for x, y in points]
    shares = [distance / expected for distance, expected in away if expected > 0]
    return Straight(slope, start, max(distance for distance, _ in away), max(shares, default=0.0))
