"""Two runs side by side: when each service began to work and when it was done."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from daybreak.show.plots.gantt import describe
from daybreak.show.plots.service_phases import MOST_ROWS, SHOWN_WORKERS, ServicePhases, all_rows, numbered
from daybreak.show.plots.style import BLUE, GREY, INK, ORANGE, PALE, SMALL, VERMILLION, new_figure, style, title
from daybreak.show.text import seconds
from daybreak.timeline.event import Event
from daybreak.timeline.phases import PhaseKind, phases
from daybreak.timeline.run import Run

WIDTH = 10.0
ROW = 0.46
BAR = 0.32
FIRST, SECOND = ORANGE, BLUE
# A smaller difference is noise.
SAME_S = 0.05


@style()
def compare_figure(cluster: str, first: tuple[Run, Sequence[Event]], second: tuple[Run, Sequence[Event]]) -> Figure:
    """A pair of bars for each service of either run. Raises ValueError where one of them has no phases."""
    both = [{row.name: row for row in all_rows(phases(events))} for _, events in (first, second)]
    for (run, _), rows in zip((first, second), both, strict=True):
        if not rows:
            raise ValueError(f"run {run.id} has no phases")
    names, left_out = _names(both)
    figure, axes = new_figure(WIDTH, 1.7 + ROW * len(names))
    end_s = max(row.end_s for rows in both for row in rows.values())
    axes.set_xlim(0, end_s * 1.05 or 1.0)
    axes.set_ylim(len(names) - 0.4, -0.7)
    for place, name in enumerate(names):
        pair = [rows.get(name) for rows in both]
        for row, colour, offset in zip(pair, (FIRST, SECOND), (-BAR / 2 - 0.02, BAR / 2 + 0.02), strict=True):
            if row:
                _draw(axes, row, place + offset, colour)
        text, colour = _difference(pair, (first[0].id, second[0].id))
        axes.annotate(
            text,
            (1.0, place),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=colour,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    more = f"; {left_out} more workers differ less" if left_out else ""
    axes.set_xlabel(f"seconds after the run began; thin: waiting for others, pale: stopping{more}")
    _name_runs(figure, first[0], second[0])
    total = _totals(first[0], second[0])
    title(figure, f"{cluster}: run {first[0].id} and run {second[0].id}{total}", " ")
    return figure


def _names(both: Sequence[dict[str, ServicePhases]]) -> tuple[list[str], int]:
    """The services of either run; of very many workers those that differ most, and how many others there are."""
    names = list(dict.fromkeys([*both[1], *both[0]]))
    workers = [name for name in names if numbered(name)]
    if len(names) <= MOST_ROWS or len(workers) <= SHOWN_WORKERS:
        return names, 0

    def difference_s(name: str) -> float:
        ends = [rows[name].end_s if name in rows else 0.0 for rows in both]
        return abs(ends[0] - ends[1])

    shown = set(sorted(workers, key=difference_s, reverse=True)[:SHOWN_WORKERS])
    return [name for name in names if name not in workers or name in shown], len(workers) - len(shown)


def _draw(axes: Axes, row: ServicePhases, place: float, colour: str) -> None:
    """A service's work; waiting is thin, and stopping what ran before is pale."""
    for phase in row.phases:
        idle = phase.kind in (PhaseKind.WAITING, PhaseKind.BACKING_OFF)
        pale = phase.kind is PhaseKind.STOPPING
        axes.barh(
            place,
            phase.duration_s,
            left=phase.begin_s,
            height=0.06 if idle else BAR,
            color=PALE if idle else colour,
            alpha=0.4 if pale else 1.0,
            zorder=2,
        )


def _difference(pair: Sequence[ServicePhases | None], runs: tuple[int, int]) -> tuple[str, str]:
    """How much later the second one was done, and in which colour."""
    first, second = pair
    if first is None or second is None:
        return f"only in run {runs[0] if second is None else runs[1]}", GREY
    late_s = second.end_s - first.end_s
    if abs(late_s) < SAME_S:
        return "the same", GREY
    sign = "+" if late_s > 0 else "−"
    return f"{sign}{seconds(abs(late_s))}", VERMILLION if late_s > 0 else INK


def _totals(first: Run, second: Run) -> str:
    if first.duration_s is None or second.duration_s is None:
        return ""
    return f", {seconds(first.duration_s)} and {seconds(second.duration_s)}"


def _name_runs(figure: Figure, first: Run, second: Run) -> None:
    """Which colour is which run, in the line below the title."""
    height = figure.get_figheight()
    for run, colour, left in ((first, FIRST, 0.012), (second, SECOND, 0.5)):
        text = f"■ {describe(run)}"
        figure.text(left, 1 - 0.37 / height, text, fontsize=SMALL + 0.5, color=colour, va="top", fontweight="bold")
