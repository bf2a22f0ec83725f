"""The plots of docs/performance.md, from the results: needs `pip install '.[bench]'` (matplotlib)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import ROOT
from bench.records import Verdict
from bench.results import Report, load
from bench.straight import straight
from bench.table import RESULTS, SUITES

try:
    from daybreak.show.plots.style import BLUE, GREY, INK, VERMILLION, new_figure, save, style
except ModuleNotFoundError as missing:
    sys.exit(f"{missing}: pip install '.[bench]'")

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = ROOT / "docs" / "plots"
MET, MISSED, OTHER = BLUE, VERMILLION, GREY
DPI = 120


def factors(verdicts: Sequence[Verdict]) -> list[tuple[str, float, float, bool]]:
    """(title, required, measured, met), all as how many times better than Ray, for what was measured."""
    return [
        (
            verdict.goal.title,
            1 / verdict.goal.required if verdict.goal.share else verdict.goal.required,
            1 / verdict.measured if verdict.goal.share else verdict.measured,
            bool(verdict.met),
        )
        for verdict in verdicts
        if verdict.measured and not verdict.goal.limit
    ]


@style()
def goals_plot(reports: Sequence[Report]) -> Figure | None:
    """A bar per goal, as long as what was measured, with a mark at what is required."""
    rows = factors([verdict for report in reports for verdict in report.verdicts()])[::-1]
    if not rows:
        return None
    figure, axes = new_figure(9, 1.2 + 0.45 * len(rows))
    places = range(len(rows))
    axes.barh(places, [row[2] for row in rows], color=[MET if row[3] else MISSED for row in rows], height=0.6)
    for place, (_, required, measured, _met) in enumerate(rows):
        axes.plot([required, required], [place - 0.4, place + 0.4], color=INK, linewidth=2)
        axes.annotate(f"{measured:.1f}", (measured, place), (4, 0), textcoords="offset points", va="center")
    axes.set_yticks(list(places), [row[0] for row in rows])
    axes.set_xlabel("times better than Ray's commands (the mark is what is required)")
    axes.axvline(1, color=OTHER, linewidth=1)
    return figure


@style()
def sizes_plot(report: Report) -> Figure | None:
    """Seconds (left) and memory (right) against the number of worker nodes, with straight lines."""
    lines = [line for line in report.ran if line.workers is not None]
    seconds = report.points(lines, "all_nodes_s")
    if len(seconds) < 2:
        return None
    figure, axes = new_figure(8, 4.5)
    _with_line(axes, seconds, MET, "until all nodes and the dashboard answer")
    axes.set_xlabel("worker nodes")
    axes.set_ylabel("seconds")
    axes.set_ylim(bottom=0)
    memory = [(workers, value / 1e9) for workers, value in report.points(lines, "pss_bytes")]
    handles, labels = axes.get_legend_handles_labels()
    if len(memory) > 1:
        right = axes.twinx()
        right.spines["right"].set_visible(True)
        _with_line(right, memory, OTHER, "memory of the whole stack (PSS)")
        right.set_ylabel("GB")
        right.set_ylim(bottom=0)
        handles, labels = (
            mine + more for mine, more in zip((handles, labels), right.get_legend_handles_labels(), strict=True)
        )
    axes.legend(handles, labels, loc="upper left", frameon=False)
    return figure


@style()
def workers_plot(report: Report) -> Figure | None:
    """Seconds until N further workers are there, every run's points and the line through all of them."""
    pairs = (("stock-workers", OTHER, "`ray start`, one after another"), ("daybreak-workers", MET, "`daybreak scale`"))
    figure, axes = new_figure(8, 4.5)
    drawn = 0
    for name, colour, label in pairs:
        good = [sample for sample in report.samples if sample.scenario == name and sample.ok]
        points = [(workers, seconds) for sample in good for workers, seconds in sample.points]
        if points:
            _with_line(axes, points, colour, label)
            drawn += 1
    axes.set_xlabel("further workers")
    axes.set_ylabel("seconds until all are alive")
    axes.set_ylim(bottom=0)
    if drawn:
        axes.legend(loc="upper left", frameon=False)
    return figure if drawn else None


def _with_line(axes: Axes, points: Sequence[tuple[float, float]], colour: str, label: str) -> None:
    axes.plot([x for x, _ in points], [y for _, y in points], "o", color=colour, markersize=5, label=label)
    if line := straight(points):
        ends = [min(x for x, _ in points), max(x for x, _ in points)]
        axes.plot(ends, [line.slope * x + line.start for x in ends], color=colour, linewidth=1)


def draw(results: Path, folder: Path) -> list[Path]:
    """Every plot that the results in a folder allow; returns the files."""
    reports = {name: load(results / f"{name}.json") for name in SUITES if (results / f"{name}.json").is_file()}
    made = {"goals": goals_plot(list(reports.values()))}
    if "scale" in reports:
        made |= {"sizes": sizes_plot(reports["scale"]), "workers": workers_plot(reports["scale"])}
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, figure in made.items():
        if figure is not None:
            files.append(folder / f"{name}.png")
            save(figure, files[-1], dpi=DPI)
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.plots", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"folder, default {RESULTS.relative_to(ROOT)}")
    parser.add_argument("--out", type=Path, default=FOLDER, help=f"folder, default {FOLDER.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    files = draw(options.results, options.out)
    for file in files:
        print(file)
    return 0 if files else 1


if __name__ == "__main__":
    sys.exit(main())
