"""Where the seconds of one run went: a row for each service, a bar for each phase, the critical chain marked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from daybreak.show.plots.service_phases import ServicePhases, rows_of
from daybreak.show.plots.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    SKY,
    SMALL,
    VERMILLION,
    new_figure,
    style,
    title,
)
from daybreak.show.text import plural, seconds
from daybreak.timeline.chain import Link, critical_chain
from daybreak.timeline.event import Event, Outcome
from daybreak.timeline.phases import Ended, Phase, PhaseKind, phases
from daybreak.timeline.run import Run

WIDTH = 10.0
ROW = 0.3
BAR = 0.62
# Characters of small text for each inch, to know whether a name fits into its bar.
LETTERS_AN_INCH = 14.0
# A phase that takes less of the width cannot be seen.
LEAST_SHARE = 0.003
COLOURS = {
    PhaseKind.WAITING: FAINT,
    PhaseKind.BACKING_OFF: PALE,
    PhaseKind.PREPARING: GREEN,
    PhaseKind.STARTING: ORANGE,
    PhaseKind.GATE: SKY,
    PhaseKind.STOPPING: "#9A9A9A",
    PhaseKind.READY: SKY,
}
NAMES = {
    PhaseKind.GATE: "until a gate is passed",
    PhaseKind.STARTING: "starting",
    PhaseKind.WAITING: "waiting for others",
}


@style()
def gantt_figure(cluster: str, run: Run, events: Sequence[Event]) -> Figure:
    """The phases of a run. Raises ValueError where the run has none."""
    found = phases(events)
    if not found:
        raise ValueError(f"run {run.id} has no phases")
    chain = critical_chain(events)
    rows = rows_of(found, {link.service for link in chain})
    figure, axes = new_figure(WIDTH, 1.5 + ROW * len(rows))
    places = {row.name: place for place, row in enumerate(rows)}
    end_s = max(row.end_s for row in rows)
    axes.set_xlim(0, end_s * 1.09 or 1.0)
    axes.set_ylim(len(rows) - 0.4, -0.7)
    for row in rows:
        _draw_row(axes, row, places[row.name], end_s)
    _draw_chain(axes, chain, places)
    _mark_moments(axes, run)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    linked = {link.service for link in chain}
    for text in axes.get_yticklabels():
        text.set_fontweight("bold" if text.get_text() in linked else "normal")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("seconds after the run began")
    _key(axes, found, bool(chain))
    title(figure, _title(cluster, run), run.error or "")
    return figure


def describe(run: Run) -> str:
    """`run 12: restart, 3 workers, warm`."""
    return f"run {run.id}: {run.what}, {plural(run.workers, 'worker')}, {'warm' if run.warm else 'cold'}"


def _title(cluster: str, run: Run) -> str:
    took = f" {'in' if run.outcome is Outcome.OK else 'after'} {seconds(run.duration_s)}" if run.duration_s else ""
    return f"{cluster}, {describe(run)}: {run.outcome}{took}"


def _draw_row(axes: Axes, row: ServicePhases, place: int, end_s: float) -> None:
    if row.together > 1:
        axes.barh(place, row.end_s - row.begin_s, left=row.begin_s, height=BAR, color=SKY, alpha=0.35)
    for phase in row.phases:
        _draw_phase(axes, phase, place, end_s)
    failed = row.phases and row.phases[-1].ended is Ended.FAILED
    text = f"{'failed at ' if failed else ''}{seconds(row.end_s)}"
    axes.annotate(
        text,
        (row.end_s, place),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=SMALL,
        color=VERMILLION if failed else GREY,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        zorder=3,
    )


def _draw_phase(axes: Axes, phase: Phase, place: int, end_s: float) -> None:
    height = BAR * 0.35 if phase.kind in (PhaseKind.WAITING, PhaseKind.BACKING_OFF) else BAR
    colour = VERMILLION if phase.ended is Ended.FAILED else COLOURS[phase.kind]
    hatch = "////" if phase.ended is Ended.OPEN else None
    axes.barh(
        place,
        phase.duration_s,
        left=phase.begin_s,
        height=height,
        color=colour,
        edgecolor="white",
        linewidth=0.8,
        hatch=hatch,
        zorder=2,
    )
    room = phase.duration_s / (end_s or 1.0) * WIDTH * 0.78 * LETTERS_AN_INCH
    if phase.name and len(phase.name) + 1 < room:
        middle = phase.begin_s + phase.duration_s / 2
        axes.text(middle, place, phase.name, ha="center", va="center", fontsize=SMALL - 1, color=INK, zorder=5)


def _draw_chain(axes: Axes, chain: Sequence[Link], places: dict[str, int]) -> None:
    """A dark line under each link, and from where one ends to where the next one begins."""
    under = BAR / 2 + 0.06
    drawn = [link for link in chain if link.service in places][::-1]
    for link in drawn:
        place = places[link.service] + under
        axes.plot(
            [link.released_s, link.released_s + link.took_s],
            [place, place],
            color=INK,
            linewidth=2.4,
            solid_capstyle="butt",
            zorder=4,
        )
    for earlier, later in pairwise(drawn):
        moment = later.released_s
        ends = [places[earlier.service] + under, places[later.service] + under]
        axes.plot([moment, moment], ends, color=INK, linewidth=1.0, linestyle=(0, (3, 2)), zorder=4)


def _mark_moments(axes: Axes, run: Run) -> None:
    """Vertical lines at the first response and at the end."""
    moments = [("first response", run.first_response_s), ("all ready", run.ready_after_s)]
    known = [(name, at) for name, at in moments if at is not None]
    if len(known) == 2 and known[0][1] == known[1][1]:
        known = [("first response, all ready", known[0][1])]
    right = axes.get_xlim()[1]
    for name, at in known:
        axes.axvline(at, color=BLUE, linewidth=1.0, zorder=1)
        axes.annotate(
            f"{name} {seconds(at)}",
            (at, -0.7),
            (-3 if at > right / 2 else 3, 3),
            textcoords="offset points",
            ha="right" if at > right / 2 else "left",
            va="bottom",
            fontsize=SMALL,
            color=BLUE,
            annotation_clip=False,
        )


def _key(axes: Axes, found: Sequence[Phase], chain: bool) -> None:
    """What the colours mean, below the plot."""
    least_s = LEAST_SHARE * axes.get_xlim()[1]
    seen = {phase.kind for phase in found if phase.duration_s >= least_s}
    kinds = [kind for kind in COLOURS if kind in seen and kind is not PhaseKind.READY]
    handles: list[Patch | Line2D] = [Patch(color=COLOURS[kind], label=NAMES.get(kind, str(kind))) for kind in kinds]
    if any(phase.ended is Ended.FAILED for phase in found):
        handles.append(Patch(color=VERMILLION, label="failed"))
    if any(phase.ended is Ended.OPEN for phase in found):
        handles.append(Patch(facecolor="white", edgecolor=GREY, hatch="////", label="cut off"))
    if chain:
        handles.append(Line2D([], [], color=INK, linewidth=2.4, label="critical chain"))
    figure = axes.get_figure(root=True)
    if figure:
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=SMALL)
