"""A sweep: throughput and latencies against the number of workers, the best number marked."""

from __future__ import annotations

import time
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from daybreak.extras.sweep.result import TOLERANCE, Point, Sweep
from daybreak.show.plots.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SMALL,
    VERMILLION,
    label_right,
    style,
    title,
)
from daybreak.show.text import plural, seconds

MOST_TICKS = 12
# Lines and their colours, the darkest for what most requests see.
LATENCIES = (("p50", BLUE), ("p95", ORANGE), ("p99", VERMILLION))


@style()
def sweep_figure(sweep: Sweep) -> Figure:
    """Throughput above, latencies below. Raises ValueError where nothing was measured."""
    points = sorted(sweep.points, key=lambda point: point.workers)
    if not points:
        raise ValueError("the sweep ended before anything was measured")
    figure = Figure(figsize=(9, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _throughput(above, points, sweep)
    _latency(below, points)
    counts = [point.workers for point in points]
    room = max(0.5, (counts[-1] - counts[0]) * 0.05)
    below.set_xlim(counts[0] - room, counts[-1] + room)
    below.xaxis.set_major_locator(FixedLocator(counts) if len(counts) <= MOST_TICKS else MaxNLocator(integer=True))
    below.set_xlabel("worker nodes")
    load = sweep.load
    when = time.strftime("%d %b %Y %H:%M", time.localtime(sweep.began_wall))
    what = (
        f"{load.method} {load.url}, {plural(load.connections, 'connection')}, {seconds(load.duration_s)} each, {when}"
    )
    best = f": {plural(sweep.best.workers, 'worker')} are enough" if sweep.best else ""
    if sweep.best and sweep.best.workers == 1:
        best = ": 1 worker is enough"
    title(figure, f"{sweep.cluster}{best}", what if sweep.complete else f"{what}; not finished")
    return figure


def _throughput(axes: Axes, points: Sequence[Point], sweep: Sweep) -> None:
    xs, ys = [point.workers for point in points], [point.answers.per_s for point in points]
    fastest, best = sweep.fastest, sweep.best
    if fastest:
        least = fastest.answers.per_s * (1 - TOLERANCE)
        axes.axhspan(least, fastest.answers.per_s, color=FAINT, zorder=0)
        label_y = fastest.answers.per_s * (1 - TOLERANCE / 2)
    for point in points:
        if point.answers.per_second:
            ends = [min(point.answers.per_second), max(point.answers.per_second)]
            axes.plot([point.workers] * 2, ends, color=BLUE, alpha=0.25, linewidth=4, solid_capstyle="butt", zorder=2)
    axes.plot(xs, ys, "o-", color=BLUE, linewidth=1.8, markersize=6, zorder=3)
    for point in points:
        chosen = point is best
        replicas = "" if point.running is None else f"\n{plural(point.running, 'replica')}"
        text = f"{point.answers.per_s:.0f}/s{replicas}" if len(points) <= MOST_TICKS or chosen else ""
        axes.annotate(
            text,
            (point.workers, point.answers.per_s),
            (0, -11),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=SMALL,
            color=INK if chosen else GREY,
            fontweight="bold" if chosen else "normal",
        )
        if chosen:
            place = (point.workers, point.answers.per_s)
            axes.plot(*place, "o", color=GREEN, markersize=14, markerfacecolor="none", markeredgewidth=2, zorder=4)
    highest = max([*ys, *(value for point in points for value in point.answers.per_second)], default=1.0)
    axes.set_ylim(0, highest * 1.08 or 1.0)
    axes.set_ylabel("good answers each second")
    axes.set_title("throughput (bars: least and most in one second)")
    axes.grid(axis="y")
    if fastest:
        label_right(axes, [(label_y, f"within {TOLERANCE:.0%}\nof the best", GREY)])


def _latency(axes: Axes, points: Sequence[Point]) -> None:
    labels = []
    values: list[float] = []
    for name, colour in LATENCIES:
        known = [
            (point.workers, value) for point in points if (value := getattr(point.answers, f"{name}_ms")) is not None
        ]
        if known:
            axes.plot([x for x, _ in known], [y for _, y in known], "o-", color=colour, markersize=4.5, linewidth=1.5)
            labels.append((known[-1][1], f"{name}: {seconds(known[-1][1] / 1000)}", colour))
            values += [y for _, y in known]
    axes.set_ylim(0, max(values, default=1.0) * 1.1)
    axes.set_ylabel("milliseconds")
    axes.set_title("latency")
    axes.grid(axis="y")
    label_right(axes, labels)
