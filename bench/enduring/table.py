"""What is held after many restarts, as a table. Pure."""

from __future__ import annotations

from bench.enduring.growth import HELD, growth_of_medians
from bench.measures import written
from bench.render import page
from bench.results import Report

HEADS = ("what is held", "first part", "last part", "growth", "allowed", "growth of the medians")


def endurance(report: Report) -> str:
    """What became of the requests, then a row for each thing that must not grow. Of several runs the last good one."""
    sample = next((sample for sample in reversed(report.samples) if sample.ok), None)
    if sample is None:
        return page(HEADS, (), report)
    rows = []
    for held in HELD:
        early, late = sample.details["parts"][held.key]
        values = [written(held.measure, value) for value in (early, late, sample.values[held.measure])]
        allowed = "-" if held.most is None else written(held.measure, held.most)
        middle = written(held.measure, growth_of_medians(sample.details["looks"], held.key))
        rows.append([held.title, *values, allowed, middle])
    counted = [written(name, sample.values[name]) for name in ("restarts_count", "requests_count", "failed_count")]
    restarts, requests, failed = counted
    return f"{restarts} restarts, {requests} requests, {failed} failed or cut.\n\n{page(HEADS, rows, report)}"
