"""The history as templates are given it: groups of comparable runs with their pictures, and the list of runs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daybreak.show.page.event_text import clean, or_nothing, stamp
from daybreak.show.receipt import receipt_text
from daybreak.show.text import ago, plural, seconds
from daybreak.timeline.event import Outcome, RunKind
from daybreak.timeline.run import Run
from daybreak.timeline.stats import Advice, Measure, Summary, Trend, summarise

STARTS = (RunKind.STARTUP, RunKind.RESTART, RunKind.CHANGE, RunKind.RECOVERY)
# Their first response is what people wait for.
AWAITED = (RunKind.STARTUP, RunKind.RESTART)
MEASURES: dict[Measure, str] = {"first_response_s": "first response", "duration_s": "total"}
MOST_COLUMNS = 40
LEAST_COLUMNS = 16


@dataclass(frozen=True)
class Column:
    """One run in the picture of a group; `x`, `width` and `height` in percent."""

    run: int
    x: float
    width: float
    height: float
    outlier: bool
    words: str


@dataclass(frozen=True)
class HistoryGroup:
    """Runs that compare with each other."""

    title: str
    measure: str
    count: int
    median: str
    low: str
    high: str
    trend: str
    left_out: str
    columns: tuple[Column, ...]
    median_y: float
    advice: tuple[Advice, ...]


@dataclass(frozen=True)
class RunLine:
    """One line of the list of runs."""

    id: int
    when: str
    at: str
    kind: str
    workers: int
    start: str
    outcome: str
    tone: str
    response: str
    total: str
    outlier: bool
    error: str
    receipt: str


def newest_start(runs: Sequence[Run]) -> Run | None:
    """The run whose chart is shown: the newest that started something."""
    return next((run for run in runs if run.kind in STARTS), None)


def summaries(runs: Sequence[Run]) -> list[Summary]:
    """The groups of comparable runs: by their first response where they have one, else by their whole length."""
    found = []
    for kind in STARTS:
        measure: Measure = "first_response_s" if kind in AWAITED else "duration_s"
        of_kind = [run for run in runs if run.kind is kind]
        if not any(getattr(run, measure) is not None for run in of_kind):
            measure = "duration_s"
        found += [summary for summary in summarise(of_kind, measure) if summary.count]
    return found


def history_group(summary: Summary) -> HistoryGroup:
    """One group in words, and its picture."""
    recent = summary.samples[-MOST_COLUMNS:]
    top_s = max((sample.value_s for sample in recent), default=0.0) or 1.0
    step = 100 / max(LEAST_COLUMNS, len(recent))
    columns = tuple(
        Column(
            run=sample.run,
            x=round(place * step, 3),
            width=round(step * 0.7, 3),
            height=round(100 * sample.value_s / top_s, 2),
            outlier=sample.run in summary.outliers,
            words=f"run {sample.run}: {seconds(sample.value_s)}{', outlier' if sample.run in summary.outliers else ''}",
        )
        for place, sample in enumerate(recent)
    )
    counts = ((summary.failed, "failed"), (summary.interrupted, "interrupted"))
    sign = "+" if (summary.slope_s_per_run or 0) >= 0 else ""
    slope = f" ({sign}{seconds(summary.slope_s_per_run)} per run)" if summary.slope_s_per_run is not None else ""
    return HistoryGroup(
        title=f"{summary.what}, {plural(summary.workers, 'worker')}, {'warm' if summary.warm else 'cold'}",
        measure=MEASURES[summary.measure],
        count=summary.count,
        median=seconds(summary.median_s),
        low=seconds(summary.min_s),
        high=seconds(summary.max_s),
        trend="" if summary.trend is Trend.UNKNOWN else f"{summary.trend}{slope}",
        left_out=", ".join(f"{count} {word}" for count, word in counts if count),
        columns=columns,
        median_y=round(100 - 100 * (summary.median_s or 0.0) / top_s, 2),
        advice=summary.advice,
    )


def run_lines(runs: Sequence[Run], outliers: frozenset[int], now: float) -> list[RunLine]:
    """The list of runs, in the order given."""
    tones = {Outcome.OK: "good", Outcome.RUNNING: "busy", Outcome.FAILED: "bad", Outcome.INTERRUPTED: "idle"}
    return [
        RunLine(
            id=run.id,
            when=ago(run.began_wall, now),
            at=stamp(run.began_wall),
            kind=run.what,
            workers=run.workers,
            start="warm" if run.warm else "cold",
            outcome=str(run.outcome),
            tone=tones[run.outcome],
            response=or_nothing(run.first_response_s),
            total=or_nothing(run.duration_s),
            outlier=run.id in outliers,
            error=clean(run.error or ""),
            receipt=receipt_text(run.receipt) if run.receipt else "",
        )
        for run in runs
    ]
