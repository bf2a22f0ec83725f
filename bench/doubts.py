"""What a reader must know before trusting the medians: what, the likely cause, what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.measures import MEASURES, written
from bench.openloop.report import LATE_S
from bench.records import Summary

if TYPE_CHECKING:
    from bench.results import Report

ENOUGH = 3
# What else may run in the second before a run, in processors.
MOST_CORES = 0.1
WIDE = 1.5


def warnings(report: Report) -> list[str]:
    """Every doubt, in words."""
    return [*_busy(report), *_left(report), *_late(report), *_doubtful(report)]


def _busy(report: Report) -> Iterable[str]:
    cores = int(report.machine.get("cores") or 1)
    for sample in report.samples:
        if sample.cpu_busy * cores > MOST_CORES:
            yield (
                f"before {sample.scenario} in round {sample.round} the processors were {sample.cpu_busy:.0%} busy "
                f"(load {sample.load_1min:.2f}): something else was running. Measure again on a quiet machine."
            )


def _left(report: Report) -> Iterable[str]:
    for sample in report.samples:
        if sample.left:
            yield (
                f"{sample.scenario} in round {sample.round} left {len(sample.left)} processes behind, which the "
                f"bench killed: {'; '.join(sample.left[:3])}"
            )


def _doubtful(report: Report) -> Iterable[str]:
    for line in report.ran:
        found = [report.summary(line, measure) for measure in report.measures]
        runs = sum(sample.scenario == line.name for sample in report.samples)
        failed = sum(sample.scenario == line.name and not sample.ok for sample in report.samples)
        enough = ENOUGH if line.workers is None and not line.once else 1
        if failed:
            yield (
                f"{failed} of {runs} runs of {line.name} failed and are in no median. "
                "The samples hold each one's error."
            )
        if runs - failed < enough:
            yield (
                f"{line.name} has fewer than {enough} good runs, so its median says little. "
                f"Measure with --rounds {enough} or more."
            )
        yield from (_scattered(summary) for summary in found if _is_wide(summary))


def _late(report: Report) -> Iterable[str]:
    for sample in report.samples:
        late_s = sample.details.get("latest_start_s", 0.0)
        if late_s > LATE_S:
            yield (
                f"in {sample.scenario} in round {sample.round} requests began up to {late_s:.2f} s late, for want of a "
                "processor: what is told of latency then is an upper bound."
            )


def _is_wide(summary: Summary) -> bool:
    if MEASURES[summary.measure].scatters:
        return False
    return bool(summary.min and summary.max and summary.max > WIDE * summary.min)


def _scattered(summary: Summary) -> str:
    assert summary.min is not None
    assert summary.max is not None
    low, high = written(summary.measure, summary.min, unit=False), written(summary.measure, summary.max)
    return (
        f"the runs of {summary.scenario} lie between {low} and {high} ({MEASURES[summary.measure].title}): the first "
        "may have read from the disk, or something else was running. Measure again."
    )
