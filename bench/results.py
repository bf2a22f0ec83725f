"""Samples, and what they say together. Pure but for `load` and `save`: no clock, no process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

Measure = Literal["first_200_s", "all_nodes_s"]
MEASURES: tuple[Measure, ...] = ("first_200_s", "all_nodes_s")
ENOUGH = 3
# Shares of all processors that something else used in the second before a run.
HIGH_BUSY = 0.15
# Load per processor before the first run; before later ones it is mostly the bench's own.
HIGH_LOAD = 0.5
WIDE = 1.5


@dataclass(frozen=True)
class Sample:
    """One run. Times in seconds after its first command; None where not measured. `error` marks a failed run.

    `cpu_busy` is the share of all processors in use during the second before the run.
    """

    scenario: str
    round: int
    began_at: str
    first_200_s: float | None
    all_nodes_s: float | None
    error: str | None = None
    load_1min: float = 0.0
    cpu_busy: float = 0.0
    commands: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.error is None


@dataclass(frozen=True)
class Line:
    """One scenario as the tables show it; `baseline` is the name of the one it is compared with."""

    name: str
    title: str
    baseline: str


@dataclass(frozen=True)
class Summary:
    """The successful runs of one scenario and measure. `times_as_fast` is the baseline's median over this one's."""

    scenario: str
    measure: Measure
    runs: int
    failed: int
    median_s: float | None
    min_s: float | None
    max_s: float | None
    baseline: str
    times_as_fast: float | None


@dataclass(frozen=True)
class Report:
    """Everything of one bench: where it ran (`machine`), how (`settings`), what was compared, and every sample."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    lines: tuple[Line, ...]
    samples: tuple[Sample, ...] = ()

    def summaries(self) -> list[Summary]:
        """One per scenario that ran and measure, in the order of the lines."""
        ran = {sample.scenario for sample in self.samples}
        return [self.summary(line, measure) for line in self.lines if line.name in ran for measure in MEASURES]

    def summary(self, line: Line, measure: Measure) -> Summary:
        values = self._values(line.name, measure)
        middle = median(values) if values else None
        compared = self._values(line.baseline, measure)
        return Summary(
            scenario=line.name,
            measure=measure,
            runs=sum(sample.scenario == line.name for sample in self.samples),
            failed=sum(sample.scenario == line.name and not sample.ok for sample in self.samples),
            median_s=middle,
            min_s=min(values, default=None),
            max_s=max(values, default=None),
            baseline=line.baseline,
            times_as_fast=round(median(compared) / middle, 3) if middle and compared else None,
        )

    def warnings(self) -> list[str]:
        """What a reader must know before trusting the medians: what, the likely cause, what to do."""
        return [*self._busy(), *self._doubtful()]

    def to_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "settings": self.settings,
            "lines": [asdict(line) for line in self.lines],
            "samples": [{**asdict(sample), "ok": sample.ok} for sample in self.samples],
            "summaries": [asdict(summary) for summary in self.summaries()],
            "warnings": self.warnings(),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Report:
        """Summaries and warnings are made anew from the samples."""
        samples = [{key: value for key, value in sample.items() if key != "ok"} for sample in raw["samples"]]
        return cls(
            machine=raw["machine"],
            settings=raw["settings"],
            lines=tuple(Line(**line) for line in raw["lines"]),
            samples=tuple(Sample(**sample) for sample in samples),
        )

    def _values(self, scenario: str, measure: Measure) -> list[float]:
        found = (getattr(sample, measure) for sample in self.samples if sample.scenario == scenario and sample.ok)
        return [value for value in found if value is not None]

    def _busy(self) -> Iterable[str]:
        cores = int(self.machine.get("cores") or 1)
        for number, sample in enumerate(self.samples):
            by_load = number == 0 and sample.load_1min > HIGH_LOAD * cores
            if sample.cpu_busy > HIGH_BUSY or by_load:
                yield (
                    f"before {sample.scenario} in round {sample.round} the processors were {sample.cpu_busy:.0%} busy "
                    f"(load {sample.load_1min:.2f}): something else was running. Measure again on a quiet machine."
                )

    def _doubtful(self) -> Iterable[str]:
        for summary in self.summaries():
            if summary.measure != "first_200_s":
                continue
            if summary.failed:
                yield (
                    f"{summary.failed} of {summary.runs} runs of {summary.scenario} failed and are in no median. "
                    "The samples hold each one's error."
                )
            if summary.runs - summary.failed < ENOUGH:
                yield (
                    f"{summary.scenario} has fewer than {ENOUGH} good runs, so its median says little. "
                    f"Measure with --rounds {ENOUGH} or more."
                )
            if summary.min_s and summary.max_s and summary.max_s > WIDE * summary.min_s:
                yield (
                    f"the runs of {summary.scenario} lie between {summary.min_s:.1f} and {summary.max_s:.1f} s: the "
                    "first may have read from the disk, or something else was running. Measure again."
                )


def rotated(names: Sequence[str], round_index: int) -> list[str]:
    """The order of one round: each begins with the next scenario, so that none always comes first."""
    turn = round_index % len(names) if names else 0
    return [*names[turn:], *names[:turn]]


def save(report: Report, path: Path) -> None:
    """Replace the file as a whole: a bench that is interrupted leaves what it had."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(report.to_json(), indent=1) + "\n")
    os.replace(temporary, path)


def load(path: Path) -> Report:
    """Read what `save` wrote."""
    return Report.from_json(json.loads(path.read_text()))
