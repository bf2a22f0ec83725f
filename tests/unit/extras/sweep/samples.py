"""Sweeps for tests."""

from __future__ import annotations

from daybreak.extras.sweep.result import Answers, Load, Point, Replicas, Sweep

LOAD = Load("/predict", "POST", connections=16, duration_s=10.0, warm_up_s=3.0, body_file="request.json")


def point(
    workers: int, per_s: float, *, running: int = 1, target: int | None = None, errors: int = 0, cpu: float = 0.3
) -> Point:
    """A point of ten seconds."""
    answers = Answers(
        duration_s=10.0,
        ok=round(per_s * 10),
        errors={"503": errors} if errors else {},
        p50_ms=10.0,
        p95_ms=20.0,
        p99_ms=30.0,
        max_ms=40.0,
        per_second=[round(per_s)] * 10,
        generator_cpu=cpu,
    )
    return Point(workers, answers, (Replicas("App", running, target or running, False),))


def sweep(*points: Point) -> Sweep:
    return Sweep("visits", 1_795_601_000.0, LOAD, tuple(found.workers for found in points), points)
