"""Counts of requests as Prometheus has them. Pure."""

from __future__ import annotations

from daybreak.keeper.gateway.counts import Counts
from daybreak.keeper.gateway.latencies import BOUNDS_MS
from daybreak.show.page.application_requests import ApplicationRequests

# Of the buckets, those that are worth a time series.
SHOWN_MS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000)


def exposed(name: str, counts: Counts) -> ApplicationRequests:
    """What was counted of one application."""
    answered = counts.requests - counts.failed - counts.left
    return ApplicationRequests(
        name=name,
        outcomes={
            "answered": answered - counts.errors,
            "errors": counts.errors,
            "failed": counts.failed,
            "left": counts.left,
        },
        held=counts.held,
        buckets=[*((shown / 1000, _up_to(counts, shown)) for shown in SHOWN_MS), (float("inf"), answered)],
        sum_s=counts.sum_ms / 1000,
    )


def _up_to(counts: Counts, bound_ms: int) -> int:
    """How many did not take longer: the bound is one of those of the buckets."""
    last = BOUNDS_MS.index(bound_ms)
    return sum(count for number, count in counts.latencies.items() if number <= last)
