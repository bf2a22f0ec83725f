"""How long starts and restarts take with how many workers."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from daybreak.show.plots.style import SERIES, label_right, new_figure, style, title, upper_end
from daybreak.show.text import plural, seconds
from daybreak.timeline.event import RunKind
from daybreak.timeline.run import Run, what
from daybreak.timeline.stats import Summary, summarise

MOST_TICKS = 12
NAMES = {RunKind.STARTUP: "start", RunKind.RESTART: "restart"}


@style()
def workers_figure(cluster: str, runs: Sequence[Run]) -> Figure:
    """Every run as a point, medians as a line; a line for each kind of run. Raises ValueError where no run ended ok."""
    series: dict[tuple[str, bool], list[Summary]] = {}
    for group in summarise(run for run in runs if run.kind in NAMES):
        if group.count:
            series.setdefault((group.what, group.warm), []).append(group)
    if not series:
        raise ValueError("no run ended ok")
    figure, axes = new_figure(10, 5)
    every = [group for groups in series.values() for group in groups]
    values = [sample.value_s for group in every for sample in group.samples]
    usual = [sample.value_s for group in every for sample in group.samples if sample.run not in group.outliers]
    limit = upper_end(values, usual)
    axes.set_ylim(0, limit)
    labels = [
        (*_line(axes, groups, colour, limit), colour) for groups, colour in zip(series.values(), SERIES, strict=False)
    ]
    _count(axes, sorted({group.workers for group in every}))
    axes.set_ylabel("seconds until everything is ready")
    label_right(axes, labels)
    beyond = "; arrow: further up" if max(values) > limit else ""
    title(figure, f"{cluster}: time against workers", f"small points: runs that ended ok; line: their medians{beyond}")
    return figure


def _line(axes: Axes, groups: Sequence[Summary], colour: str, limit: float) -> tuple[float, str]:
    """One kind of run; returns where its line ends, and what to write there."""
    points = [(group.workers, sample.value_s) for group in groups for sample in group.samples]
    xs = [group.workers for group in groups]
    medians = [group.median_s or 0.0 for group in groups]
    warm, kind = groups[0].warm, what(NAMES[groups[0].kind], groups[0].way)
    face = colour if warm else "white"
    axes.plot([x for x, _ in points], [y for _, y in points], "o", color=colour, markersize=4, alpha=0.35)
    beyond = [x for x, y in points if y > limit]
    axes.plot(beyond, [limit * 0.97] * len(beyond), "^", color=colour)
    axes.plot(xs, medians, "o-", color=colour, markerfacecolor=face, markersize=7, linewidth=1.8)
    name = f"{'warm' if warm else 'cold'} {kind}"
    return medians[-1], f"{name}: {seconds(medians[-1])} with {plural(xs[-1], 'worker')}"


def _count(axes: Axes, counts: Sequence[int]) -> None:
    """The axis of the workers."""
    room = max(0.5, (counts[-1] - counts[0]) * 0.04)
    axes.set_xlim(counts[0] - room, counts[-1] + room)
    axes.xaxis.set_major_locator(FixedLocator(counts) if len(counts) <= MOST_TICKS else MaxNLocator(integer=True))
    axes.grid(axis="y")
    axes.set_xlabel("worker nodes")
