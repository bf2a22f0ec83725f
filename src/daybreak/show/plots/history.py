"""Starts and restarts one after another: every run, the median of each group, and what is far from it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from daybreak.show.plots.style import GREY, INK, SERIES, SMALL, label_right, style, title, upper_end
from daybreak.show.text import plural, seconds
from daybreak.timeline.event import Outcome, RunKind
from daybreak.timeline.run import Run
from daybreak.timeline.stats import TREND_WINDOW, Sample, Summary, summarise

KINDS = {RunKind.STARTUP: "starts", RunKind.RESTART: "restarts"}
MOST_TICKS = 9
MOST_NAMED_OUTLIERS = 6
# Beyond so many runs the points are smaller.
MANY = 120
DAY_S = 86400
# How wide a character of a label is, and how high a line, as shares of the axes.
LETTER_SHARE, LINE_SHARE = 0.0088, 0.06


@dataclass(frozen=True)
class _Group:
    """Runs of one kind, number of workers and kind of start, with a colour; None for those beyond the palette."""

    summary: Summary
    colour: str | None

    @property
    def line(self) -> list[tuple[Sample, float]]:
        """For each run the median of the last ones until then; the median of all where they are few."""
        samples = self.summary.samples
        values = [sample.value_s for sample in samples]
        if len(samples) <= TREND_WINDOW:
            return [(sample, self.summary.median_s or 0.0) for sample in samples]
        # The first ones have no others before them: they get those behind.
        windows = [values[max(0, end - TREND_WINDOW) : max(end, TREND_WINDOW)] for end in range(1, len(values) + 1)]
        return [(sample, median(window)) for sample, window in zip(samples, windows, strict=True)]

    @property
    def label(self) -> str:
        name = f"{plural(self.summary.workers, 'worker')}, {'warm' if self.summary.warm else 'cold'}"
        count = self.summary.count
        of = "1 run" if count == 1 else f"median of {count}"
        if count > TREND_WINDOW:
            of = f"median of the last {TREND_WINDOW} of {count}"
        return f"{name}: {seconds(self.line[-1][1])} ({of})"


@style()
def history_figure(cluster: str, runs: Sequence[Run]) -> Figure:
    """A row of axes for starts and one for restarts, over the same runs: finished ones of these kinds, oldest first."""
    kinds = [kind for kind in KINDS if any(run.kind is kind for run in runs)]
    figure = Figure(figsize=(10.5, 1.3 + 2.7 * len(kinds)), layout="constrained")
    rows = figure.subplots(len(kinds), 1, sharex=True, squeeze=False)
    places = {run.id: place for place, run in enumerate(runs)}
    colours = _colours(runs)
    groups = [_Group(found, colours.get((found.workers, found.warm))) for found in summarise(runs)]
    for axes, kind in zip(rows[:, 0], kinds, strict=True):
        axes.set_title(KINDS[kind])
        _draw(axes, [group for group in groups if group.summary.kind is kind and group.summary.count], places)
        lost = [places[run.id] for run in runs if run.kind is kind and run.outcome is not Outcome.OK]
        axes.plot(lost, [axes.get_ylim()[1] * 0.03] * len(lost), "x", color=INK, markersize=6, zorder=3)
    last = rows[-1, 0]
    last.set_xlim(-0.6, len(runs) - 0.4)
    ticks = _ticks(runs)
    last.set_xticks([place for place, _ in ticks], [text for _, text in ticks])
    last.set_xlabel("runs, oldest first, and when they began")
    counts = [plural(sum(run.kind is kind for run in runs), KINDS[kind].removesuffix("s")) for kind in kinds]
    title(figure, f"{cluster}: {' and '.join(counts)}", _legend(runs, groups))
    return figure


def _colours(runs: Sequence[Run]) -> dict[tuple[int, bool], str]:
    """The groups with most runs get the colours; what starts and restarts share has the same one."""
    keys = [(run.workers, run.warm) for run in runs if run.outcome is Outcome.OK]
    by_count = sorted(set(keys), key=lambda key: (-keys.count(key), key))
    return dict(zip(by_count, SERIES, strict=False))


def _draw(axes: Axes, groups: Sequence[_Group], places: dict[int, int]) -> None:
    if not groups:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    usual = [s.value_s for g in groups for s in g.summary.samples if s.run not in g.summary.outliers]
    limit = upper_end([s.value_s for g in groups for s in g.summary.samples], usual)
    axes.set_ylim(0, limit)
    axes.set_ylabel("seconds")
    axes.grid(axis="y")
    size = 5.0 if len(places) <= MANY else 3.0
    for group in groups:
        colour = group.colour or GREY
        if group.colour and group.summary.count > 1:
            xs = [places[sample.run] for sample, _ in group.line]
            axes.plot(xs, [value for _, value in group.line], color=colour, linewidth=1.4, alpha=0.75, zorder=2)
        near = [sample for sample in group.summary.samples if sample.value_s <= limit]
        # Cold starts are hollow, so that no meaning lies in colour alone.
        face = colour if group.summary.warm else "white"
        xs, ys = [places[sample.run] for sample in near], [sample.value_s for sample in near]
        axes.plot(xs, ys, "o", color=colour, markerfacecolor=face, markersize=size, zorder=3)
    _mark_outliers(axes, groups, places, limit)
    label_right(axes, [(group.line[-1][1], group.label, group.colour) for group in groups if group.colour])


def _mark_outliers(axes: Axes, groups: Sequence[_Group], places: dict[int, int], limit: float) -> None:
    """A ring around each, or an arrow at the edge; the furthest are named where there is room."""
    far: list[tuple[float, Sample, str]] = []
    for group in groups:
        middle = group.summary.median_s or 0.0
        outliers = [sample for sample in group.summary.samples if sample.run in group.summary.outliers]
        far += [(abs(sample.value_s - middle), sample, group.colour or GREY) for sample in outliers]
    taken: list[tuple[float, float, float]] = []
    for rank, (_, sample, colour) in enumerate(sorted(far, key=lambda found: -found[0])):
        inside = sample.value_s <= limit * 0.97
        place, height = places[sample.run], sample.value_s if inside else limit * 0.965
        if inside:
            axes.plot([place], [height], "o", color=colour, markersize=11, markerfacecolor="none", zorder=4)
        else:
            axes.plot([place], [height], "^", color=colour, zorder=4, clip_on=False)
        text = f"run {sample.run}: {seconds(sample.value_s)}"
        x, y = (place + 0.6) / (len(places) + 0.2), height / limit
        begin = _free(x, y, len(text) * LETTER_SHARE, taken)
        if rank < MOST_NAMED_OUTLIERS and begin is not None:
            axes.text(begin, y, text, transform=axes.transAxes, va="center", fontsize=SMALL, zorder=5)
            taken.append((begin, begin + len(text) * LETTER_SHARE, y))


def _free(x: float, y: float, width: float, taken: Sequence[tuple[float, float, float]]) -> float | None:
    """Where a label of a point begins, right or left of it, all as shares of the axes; None where there is no room."""
    for begin in (x + 0.014, x - 0.014 - width):
        others = [(low, high) for low, high, height in taken if abs(height - y) < LINE_SHARE]
        if begin >= 0 and begin + width <= 1 and all(begin + width < low or begin > high for low, high in others):
            return begin
    return None


def _ticks(runs: Sequence[Run]) -> list[tuple[int, str]]:
    """Some runs with the time at which they began; with the day where they are spread over days."""
    days = runs[-1].began_wall - runs[0].began_wall > DAY_S
    texts = [time.strftime("%d %b" if days else "%H:%M", time.localtime(run.began_wall)) for run in runs]
    firsts = [place for place, text in enumerate(texts) if place == 0 or text != texts[place - 1]]
    gap = max(1.0, len(runs) / MOST_TICKS)
    chosen: list[int] = []
    for place in firsts:
        if not chosen or place - chosen[-1] >= gap:
            chosen.append(place)
    return [(place, texts[place]) for place in chosen]


def _legend(runs: Sequence[Run], groups: Sequence[_Group]) -> str:
    parts = ["points: runs that ended ok", "line: their median"]
    if len({run.warm for run in runs}) > 1:
        parts.insert(1, "filled: warm, hollow: cold")
    if any(group.summary.outliers for group in groups):
        parts.append("ring or arrow: far from it")
    if any(run.outcome is not Outcome.OK for run in runs):
        parts.append("×: failed or interrupted")
    if any(group.colour is None and group.summary.count for group in groups):
        parts.append("grey: further groups")
    return "; ".join(parts)
