"""daybreak perf plot: what was measured, as a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.perf.drawing import checked_ending, draw_sweep, write_plot
from daybreak.cli.perf.measuring import history_of
from daybreak.errors import DaybreakError, UsageError
from daybreak.paths import ClusterPaths
from daybreak.timeline.event import Event, Outcome
from daybreak.timeline.reader import Reader
from daybreak.timeline.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@click.command()
@options.name
@click.option("--run", metavar="RUN", help="The phases of one run: its number, or `last`.")
@click.option("--compare", nargs=2, metavar="RUN RUN", help="Two runs side by side.")
@click.option("--workers", "by_workers", is_flag=True, help="Time against the number of workers.")
@click.option("--sweep", is_flag=True, help="The last `perf sweep`.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="File to write, .png or .svg.")
def plot(
    name: str | None,
    run: str | None,
    compare: tuple[str, str] | None,
    by_workers: bool,
    sweep: bool,
    output: str | None,
) -> None:
    """Draw what was measured into a PNG or SVG file, and print its path. Needs matplotlib.

    Without an option: all starts and restarts, with medians and outliers.

    \b
    Examples:
      daybreak perf plot
      daybreak perf plot --run last -o start.svg
      daybreak perf plot --compare 9 12
    """
    asked = [run is not None, compare is not None, by_workers, sweep]
    if sum(asked) > 1:
        raise UsageError("give only one of --run, --compare, --workers and --sweep")
    path = checked_ending("--output", output)
    cluster = api.resolve_name(name)
    if sweep:
        from daybreak.extras.sweep.stored import load_last

        print(draw_sweep(load_last(ClusterPaths.of(cluster)), path or Path(f"{cluster}-sweep.png")))
        return
    with history_of(cluster) as store:
        drawn = _Drawing(cluster, store)
        if run is not None:
            draw, label = drawn.run(run)
        elif compare is not None:
            draw, label = drawn.compare(*compare)
        elif by_workers:
            draw, label = drawn.workers()
        else:
            draw, label = drawn.history()
    print(write_plot(draw, path or Path(f"{cluster}-{label}.png")))


class _Drawing:
    """What can be drawn of a cluster's history: each method returns how to draw it, and what to call it."""

    def __init__(self, cluster: str, store: Reader) -> None:
        self._cluster = cluster
        self._store = store

    def history(self) -> tuple[Callable[[], Figure], str]:
        runs = self._starts()

        def draw() -> Figure:
            from daybreak.show.plots.history import history_figure

            return history_figure(self._cluster, runs)

        return draw, "history"

    def workers(self) -> tuple[Callable[[], Figure], str]:
        runs = self._starts()

        def draw() -> Figure:
            from daybreak.show.plots.workers import workers_figure

            return workers_figure(self._cluster, runs)

        return draw, "workers"

    def run(self, which: str) -> tuple[Callable[[], Figure], str]:
        run, events = self._one(which)

        def draw() -> Figure:
            from daybreak.show.plots.gantt import gantt_figure

            return gantt_figure(self._cluster, run, events)

        return draw, f"run-{run.id}"

    def compare(self, first: str, second: str) -> tuple[Callable[[], Figure], str]:
        pair = self._one(first), self._one(second)

        def draw() -> Figure:
            from daybreak.show.plots.compare import compare_figure

            return compare_figure(self._cluster, *pair)

        return draw, f"runs-{pair[0][0].id}-{pair[1][0].id}"

    def _starts(self) -> list[Run]:
        """The starts and restarts that have ended, oldest first."""
        kinds = ("startup", "restart")
        found = [run for run in self._store.runs() if run.kind in kinds and run.outcome is not Outcome.RUNNING]
        if not found:
            self._nothing()
        return found[::-1]

    def _one(self, which: str) -> tuple[Run, list[Event]]:
        if which == "last":
            run = self._starts()[-1]
        elif which.isdecimal():
            run = self._store.run(int(which))
        else:
            raise UsageError(f"no number of a run: {which}", hint="`last`, or a number from `daybreak perf history`")
        return run, self._store.events(run.id)

    def _nothing(self) -> NoReturn:
        notes = "; ".join(self._store.notes)
        raise DaybreakError(
            f"no start or restart of cluster {self._cluster} has been recorded{': ' + notes if notes else ' yet'}",
            hint="`daybreak up` records the first, `daybreak perf startup --runs 5` several",
        )
