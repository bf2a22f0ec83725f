"""What many runs say together: medians, spread, trend, and which samples not to trust. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from statistics import median
from typing import Any, Literal

from daybreak.timeline.event import Outcome, RunKind
from daybreak.timeline.run import Run, what

Measure = Literal["duration_s", "ready_after_s", "first_response_s"]
MEASURES: tuple[Measure, ...] = ("duration_s", "ready_after_s", "first_response_s")

# The trend is of the last runs only: what was true a hundred runs ago says nothing about today.
TREND_WINDOW = 20
# Below five samples neither a trend nor an outlier can be told from chance.
FEW = 5
# One MAD of normally distributed samples is 1/1.4826 standard deviations; three of those are beyond doubt.
SCALE = 1.4826
OUTLIER_MADS = 3.0
# Where samples hardly differ the MAD is next to zero, and a hundredth of the median is no outlier.
OUTLIER_FLOOR = 0.01
SIGNIFICANT_Z = 1.96


class Trend(StrEnum):
    """Where the durations are going; STEADY also where the change is too small or too irregular to tell."""

    FASTER = "faster"
    SLOWER = "slower"
    STEADY = "steady"
    UNKNOWN = "too few runs"


@dataclass(frozen=True)
class Sample:
    """One run's value, in seconds."""

    run: int
    began_wall: float
    value_s: float


@dataclass(frozen=True)
class Advice:
    """Something about the samples that a reader must know: what it is, its likely cause, and what to do."""

    what: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. {self.cause}. {self.remedy}."


@dataclass(frozen=True)
class Summary:
    """The successful runs of one kind, number of workers and kind of start (warm or cold), restarts by their way.

    `samples` are oldest first. The statistics are None without samples. `mad_s` is the median absolute deviation from
    the median, in seconds, unscaled. `slope_s_per_run` is the Theil-Sen slope over the last `TREND_WINDOW` samples.
    `failed` and `interrupted` count the runs that were left out. `outliers` are numbers of runs.
    """

    kind: RunKind
    workers: int
    warm: bool
    measure: Measure
    samples: tuple[Sample, ...]
    median_s: float | None
    min_s: float | None
    max_s: float | None
    mad_s: float | None
    slope_s_per_run: float | None
    trend: Trend
    failed: int
    interrupted: int
    outliers: tuple[int, ...]
    advice: tuple[Advice, ...]
    way: str | None = None

    @property
    def what(self) -> str:
        """The kind, with the way of a restart."""
        return what(self.kind, self.way)

    @property
    def count(self) -> int:
        return len(self.samples)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": str(self.kind),
            "way": self.way,
            "workers": self.workers,
            "warm": self.warm,
            "measure": self.measure,
            "count": self.count,
            "median_s": self.median_s,
            "min_s": self.min_s,
            "max_s": self.max_s,
            "mad_s": self.mad_s,
            "slope_s_per_run": self.slope_s_per_run,
            "trend": str(self.trend),
            "failed": self.failed,
            "interrupted": self.interrupted,
            "outliers": list(self.outliers),
            "advice": [{"what": a.what, "cause": a.cause, "remedy": a.remedy} for a in self.advice],
            "samples": [{"run": s.run, "began_wall": s.began_wall, "value_s": s.value_s} for s in self.samples],
        }


def summarise(runs: Iterable[Run], measure: Measure = "duration_s") -> list[Summary]:
    """One summary per kind (and way), number of workers and kind of start; the order of `runs` does not matter."""
    groups: dict[tuple[RunKind, str, int, bool], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.id):
        if run.outcome is not Outcome.RUNNING:
            groups.setdefault((run.kind, run.way or "", run.workers, run.warm), []).append(run)
    kinds = list(RunKind)
    ordered = sorted(groups, key=lambda group: (kinds.index(group[0]), *group[1:]))
    return [_summary(groups[group], measure) for group in ordered]


def _summary(runs: Sequence[Run], measure: Measure) -> Summary:
    samples = tuple(_samples(runs, measure))
    values = [sample.value_s for sample in samples]
    window = values[-TREND_WINDOW:]
    outliers = _outliers(samples)
    return Summary(
        kind=runs[0].kind,
        workers=runs[0].workers,
        warm=runs[0].warm,
        measure=measure,
        samples=samples,
        median_s=median(values) if values else None,
        min_s=min(values, default=None),
        max_s=max(values, default=None),
        mad_s=mad(values) if values else None,
        slope_s_per_run=theil_sen(window),
        trend=trend(window),
        failed=sum(run.outcome is Outcome.FAILED for run in runs),
        interrupted=sum(run.outcome is Outcome.INTERRUPTED for run in runs),
        outliers=tuple(sample.run for sample in outliers),
        advice=tuple(_advice(runs, samples, outliers)),
        way=runs[0].way,
    )


def _samples(runs: Iterable[Run], measure: Measure) -> Iterable[Sample]:
    for run in runs:
        value: float | None = getattr(run, measure)
        if run.outcome is Outcome.OK and value is not None and math.isfinite(value):
            yield Sample(run.id, run.began_wall, value)


def mad(values: Sequence[float]) -> float:
    """The median absolute deviation from the median, unscaled; raises StatisticsError without values."""
    middle = median(values)
    return median(abs(value - middle) for value in values)


def theil_sen(values: Sequence[float]) -> float | None:
    """The median slope between any two values, per step; None below two. One wild value does not move it."""
    slopes = [(later - value) / (j - i) for (i, value), (j, later) in combinations(enumerate(values), 2)]
    return median(slopes) if slopes else None


def trend(values: Sequence[float]) -> Trend:
    """The word for where values, oldest first, are going.

    A change counts where it is larger over the window than the spread, and where the order of the values is not one
    that chance brings about (Mann-Kendall, 5 %): the first alone would see a trend in every third noisy series.
    """
    slope = theil_sen(values)
    if slope is None or len(values) < FEW:
        return Trend.UNKNOWN
    if abs(slope) * (len(values) - 1) <= mad(values) or abs(mann_kendall_z(values)) < SIGNIFICANT_Z:
        return Trend.STEADY
    return Trend.SLOWER if slope > 0 else Trend.FASTER


def mann_kendall_z(values: Sequence[float]) -> float:
    """How unlikely the order of the values is by chance, in standard deviations; positive where they grow."""
    count = len(values)
    score = sum((later > value) - (later < value) for value, later in combinations(values, 2))
    if score == 0:
        return 0.0
    variance = count * (count - 1) * (2 * count + 5) / 18
    return (score - math.copysign(1, score)) / math.sqrt(variance)


def _outliers(samples: Sequence[Sample]) -> list[Sample]:
    """The samples further than `OUTLIER_MADS` scaled MADs from the median."""
    if len(samples) < FEW:
        return []
    values = [sample.value_s for sample in samples]
    middle = median(values)
    limit_s = max(OUTLIER_MADS * SCALE * mad(values), OUTLIER_FLOOR * abs(middle))
    return [sample for sample in samples if abs(sample.value_s - middle) > limit_s]


def _advice(runs: Sequence[Run], samples: Sequence[Sample], outliers: Sequence[Sample]) -> Iterable[Advice]:
    if not samples:
        return
    middle = median(sample.value_s for sample in samples)
    rest = list(outliers)
    if rest and rest[0] is samples[0] and rest[0].value_s > middle:
        yield Advice(
            f"the first run (run {samples[0].run}) took {samples[0].value_s:.2f} s, the median is {middle:.2f} s",
            "Its files were probably read from the disk, those of later runs from memory",
            "Measure again now that they are in memory, or compare first runs with first runs only",
        )
        rest = rest[1:]
    if rest:
        names = ", ".join(f"run {sample.run} ({sample.value_s:.2f} s)" for sample in rest)
        yield Advice(
            f"far from the median of {middle:.2f} s: {names}",
            "Something else probably used the processor or the disk meanwhile",
            "Measure again on a quiet machine; the median stands, minimum and maximum do not",
        )
    measured = {sample.run for sample in samples}
    mixed = {_versions(run) for run in runs if run.id in measured}
    if len(mixed) > 1:
        yield Advice(
            f"the runs are of {len(mixed)} different sets of versions",
            "Something was upgraded between them, so the median is of neither",
            "Look at each with `daybreak perf history --json`, or begin anew with `daybreak perf clear`",
        )


def _versions(run: Run) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(key), str(value)) for key, value in run.versions.items()))
