"""Samples, and what they say together. Pure but for `load` and `save`: no clock, no process."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench import doubts
from bench.measures import ALL, MEASURES
from bench.records import Goal, Limit, Line, Sample, Summary, Verdict
from bench.straight import Straight, straight


@dataclass(frozen=True)
class Report:
    """Everything of one bench: where it ran (`machine`), how (`settings`), what was compared, and every sample."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    lines: tuple[Line, ...]
    samples: tuple[Sample, ...] = ()
    goals: tuple[Goal, ...] = ()

    @property
    def ran(self) -> list[Line]:
        """The lines that have a sample."""
        names = {sample.scenario for sample in self.samples}
        return [line for line in self.lines if line.name in names]

    @property
    def measures(self) -> list[str]:
        """What was measured in any successful run, in the order of `bench.measures`."""
        found = {name for sample in self.samples if sample.ok for name in sample.values}
        return [measure.name for measure in ALL if measure.name in found]

    def summaries(self) -> list[Summary]:
        """One per scenario that ran and measure that was taken, in the order of the lines."""
        return [self.summary(line, measure) for line in self.ran for measure in self.measures]

    def summary(self, line: Line, measure: str) -> Summary:
        values = self._values(line.name, measure)
        middle = median(values) if values else None
        compared = self._values(line.baseline, measure)
        return Summary(
            scenario=line.name,
            measure=measure,
            runs=sum(sample.scenario == line.name for sample in self.samples),
            failed=sum(sample.scenario == line.name and not sample.ok for sample in self.samples),
            median=middle,
            min=min(values, default=None),
            max=max(values, default=None),
            baseline=line.baseline,
            factor=_factor(measure, median(compared), middle) if middle and compared else None,
        )

    def total(self, line: Line, measure: str) -> int:
        """The sum over the successful runs of something that is counted."""
        return round(sum(self._values(line.name, measure)))

    def verdicts(self) -> list[Verdict]:
        """Every goal with what was measured."""
        return [self._verdict(goal) for goal in self.goals]

    def straights(self) -> dict[str, Straight]:
        """For each measure the straight line through the medians of the lines that have a number of workers."""
        lines = [line for line in self.ran if line.workers is not None]
        found = {measure: straight(self.points(lines, measure)) for measure in self.measures}
        return {measure: line for measure, line in found.items() if line is not None}

    def points(self, lines: Sequence[Line], measure: str) -> list[tuple[float, float]]:
        """(workers, median) of the lines where both are known."""
        summaries = [(line.workers, self.summary(line, measure).median) for line in lines]
        return [(float(x), y) for x, y in summaries if x is not None and y is not None]

    def warnings(self) -> list[str]:
        """What a reader must know before trusting the medians."""
        return doubts.warnings(self)

    def to_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "settings": self.settings,
            "lines": [asdict(line) for line in self.lines],
            "goals": [asdict(goal) for goal in self.goals],
            "samples": [{**asdict(sample), "ok": sample.ok} for sample in self.samples],
            "summaries": [asdict(summary) for summary in self.summaries()],
            "verdicts": [asdict(verdict) for verdict in self.verdicts()],
            "straights": {measure: asdict(line) for measure, line in self.straights().items()},
            "warnings": self.warnings(),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Report:
        """Summaries, verdicts, straight lines and warnings are made anew from the samples."""
        samples = [{key: value for key, value in sample.items() if key != "ok"} for sample in raw["samples"]]
        return cls(
            machine=raw["machine"],
            settings=raw["settings"],
            lines=tuple(Line(**line) for line in raw["lines"]),
            samples=tuple(Sample(**sample) for sample in samples),
            goals=tuple(_goal(goal) for goal in raw["goals"]),
        )

    def _values(self, scenario: str, measure: str) -> list[float]:
        good = (sample.values for sample in self.samples if sample.scenario == scenario and sample.ok)
        return [values[measure] for values in good if measure in values]

    def _verdict(self, goal: Goal) -> Verdict:
        line = next(line for line in self.lines if line.name == goal.scenario)
        if goal.limit:
            return self._limited(goal, goal.limit, line)
        line = replace(line, baseline=goal.against or line.baseline)
        factor = self.summary(line, goal.measure).factor
        if factor is None:
            return Verdict(goal, None, None)
        measured = round(1 / factor, 3) if goal.share else factor
        return Verdict(goal, measured, measured <= goal.required if goal.share else measured >= goal.required)

    def _limited(self, goal: Goal, limit: Limit, line: Line) -> Verdict:
        found = self.summary(line, goal.measure)
        measured = found.max if limit == Limit.WORST else found.median
        return Verdict(goal, measured, None if measured is None else measured <= goal.required)


def _goal(raw: dict[str, Any]) -> Goal:
    limit = raw.get("limit")
    return Goal(**{**raw, "limit": Limit(limit) if limit else None})


def _factor(measure: str, baseline: float, own: float) -> float | None:
    if not baseline:
        return None
    return round(own / baseline if MEASURES[measure].more_is_better else baseline / own, 3)


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
