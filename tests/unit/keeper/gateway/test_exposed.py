"""Counts of requests as Prometheus has them."""

from __future__ import annotations

from daybreak.keeper.gateway.counts import Counts
from daybreak.keeper.gateway.exposed import exposed
from daybreak.keeper.gateway.request_line import parse
from tests.unit.keeper.gateway.lines import line


def test_buckets_are_cumulative_and_hold_what_was_answered() -> None:
    counts = Counts()
    lines = [line(1, took_ms=took_ms) for took_ms in (0, 5, 6, 100, 101, 10**8)]
    lines += [line(1, status=500, took_ms=7, held_ms=5), line(1, status=503), line(1, state="CD")]
    for text in lines:
        found = parse(text)
        assert found
        counts.add(found)
    shown = exposed("shop", counts)
    assert shown.outcomes == {"answered": 6, "errors": 1, "failed": 1, "left": 1}
    assert shown.held == 1
    found_buckets = dict(shown.buckets)
    assert (found_buckets[0.005], found_buckets[0.01], found_buckets[0.1], found_buckets[0.25]) == (2, 4, 5, 6)
    assert (found_buckets[50.0], found_buckets[float("inf")]) == (6, 7)
    assert shown.sum_s == (0 + 5 + 6 + 100 + 101 + 10**8 + 7) / 1000
