"""The values that results are made of: what was compared, what was measured, what is required. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Sample:
    """One run. `values` by measure, only what was measured; `error` marks a failed run.

    `points` are (number of workers, seconds until they were there), where a run has several. `cpu_busy` is the share
    of all processors in use during the second before the run, `loop_s` how long the machine takes for `machine.loop_s`
    then; None where that was not measured. `left` names processes that outlived its end. `details`
    are what is worth keeping beside the values.
    """

    scenario: str
    round: int
    began_at: str
    values: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    load_1min: float = 0.0
    cpu_busy: float = 0.0
    loop_s: float | None = None
    points: list[list[float]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.error is None


@dataclass(frozen=True)
class Line:
    """One scenario as the tables show it; `baseline` is the name of the one it is compared with.

    `workers` where the scenario has a number of its own; such a line is one point of a straight line, and one run of
    it is enough, as it is of a line with `once`. `skipped` is the reason why it could not be measured here.
    """

    name: str
    title: str
    baseline: str
    workers: int | None = None
    skipped: str | None = None
    once: bool = False


class Limit(StrEnum):
    """Which value of several runs must not be larger than what is required."""

    MEDIAN = "median"
    WORST = "worst"


@dataclass(frozen=True)
class Goal:
    """What is required of one scenario and measure: to be at least `required` times better than its baseline.

    With `share`, `required` is instead the largest allowed share of the baseline's value. `against` names another
    scenario than the baseline, and `whose` says in the tables whose value that is. With `limit`, `required` is the
    largest allowed value itself, in the measure's unit, and nothing is compared.
    """

    title: str
    scenario: str
    measure: str
    required: float
    share: bool = False
    against: str | None = None
    whose: str = "Ray's"
    limit: Limit | None = None


@dataclass(frozen=True)
class Summary:
    """The successful runs of one scenario and measure, in the measure's unit.

    `factor` says how many times better than the baseline's median this one's is: a quarter of the seconds and four
    times the requests per second are both 4.
    """

    scenario: str
    measure: str
    runs: int
    failed: int
    median: float | None
    min: float | None
    max: float | None
    baseline: str
    factor: float | None


@dataclass(frozen=True)
class Verdict:
    """A goal beside what was measured, both as a factor, a share or a value; None where it was not measured."""

    goal: Goal
    measured: float | None
    met: bool | None
