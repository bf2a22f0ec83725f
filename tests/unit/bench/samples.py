"""Hand-made samples and reports."""

from __future__ import annotations

from typing import Any

from bench.records import Line, Sample
from bench.results import Report

LINES = (
    Line("stock", "Ray's commands", "stock"),
    Line("daybreak", "`daybreak up`", "stock"),
    Line("stock-restart", "stop and start", "stock-restart"),
    Line("daybreak-restart", "`daybreak restart`", "stock-restart"),
)
MACHINE = {
    "cpu": "Abacus 2000",
    "cores": 2,
    "memory_bytes": 24 * 2**30,
    "kernel": "Linux 6.1 x86_64",
    "python": "3.11.7",
    "ray": "2.60.0",
    "daybreak": "0.1.0",
    "commit": "0123456789",
    "date": "2026-01-02T03:04:05+00:00",
}
SETTINGS = {"rounds": 3, "workers": 3, "deadline_s": 180.0}


def sample(scenario: str, first_200_s: float | None, all_nodes_s: float | None = None, **rest: Any) -> Sample:
    taken = {"first_200_s": first_200_s, "all_nodes_s": all_nodes_s}
    found = {name: value for name, value in taken.items() if value is not None}
    values: dict[str, Any] = {"round": 1, "began_at": "2026-01-02T03:04:05+00:00", "values": found}
    return Sample(scenario=scenario, **values | rest)


def failed(scenario: str, **rest: Any) -> Sample:
    return sample(scenario, None, error="`ray start` ended with code 1", **rest)


def report(*samples: Sample) -> Report:
    return Report(MACHINE, SETTINGS, LINES, samples)


def whole() -> Report:
    """Three good runs of each scenario."""
    return report(
        *(sample("stock", first, nodes) for first, nodes in ((28.0, 22.0), (27.0, 21.0), (30.0, 24.0))),
        *(sample("daybreak", first, nodes) for first, nodes in ((7.5, 8.0), (7.0, 11.0), (6.5, 10.0))),
        *(sample("stock-restart", first) for first in (35.0, 34.0, 36.0)),
        *(sample("daybreak-restart", first) for first in (7.0, 7.1, 6.9)),
    )
