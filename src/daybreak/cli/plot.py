"""perf plot: what was measured, as a picture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from daybreak import api
from daybreak.errors import DaybreakError, UsageError
from daybreak.paths import ClusterPaths
from daybreak.timeline.event import Event, Outcome
from daybreak.timeline.run import Run
from daybreak.timeline.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg")


def plot(
    name: str | None,
    run: str | None,
    compare: tuple[str, str] | None,
    by_workers: bool,
    sweep: bool,
    output: str | None,
) -> None:
    """Draw one plot, write it, print its path."""
    asked = [run is not None, compare is not None, by_workers, sweep]
    if sum(asked) > 1:
        raise UsageError("give only one of --run, --compare, --workers and --sweep")
    path = checked_ending("--output", output)
    cluster = api.resolve_name(name)
    if sweep:
        from daybreak.cli.sweep import draw as draw_sweep
        from daybreak.cli.sweep import load_last

        print(draw_sweep(load_last(ClusterPaths.of(cluster)), path or Path(f"{cluster}-sweep.png")))
        return
    with Store(ClusterPaths.of(cluster).timeline, read_only=True) as store:
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


def write_plot(draw: Callable[[], Figure], path: Path) -> Path:
    """Draw and save. Raises DaybreakError where matplotlib is missing, or the file cannot be written."""
    try:
        from daybreak.report.plots.style import save

        figure = draw()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise DaybreakError(
            f"plots need matplotlib, which is not installed for {sys.executable}",
            hint=f"{sys.executable} -m pip install 'matplotlib>=3.8'",
        ) from error
    except ValueError as error:
        raise DaybreakError(f"there is nothing to draw: {error}", hint="daybreak perf history") from error
    try:
        save(figure, path)
    except OSError as error:
        raise DaybreakError(
            f"{path} cannot be written: {error.strerror or error}", hint="choose another with -o"
        ) from (error)
    return path


def checked_ending(option: str, output: str | None) -> Path | None:
    """The file to write, if its ending says how."""
    path = Path(output) if output is not None else None
    if path is not None and path.suffix.lower() not in ENDINGS:
        raise UsageError(f"{option}: {path}: the name must end in .png or .svg")
    return path


class _Drawing:
    """What can be drawn of a cluster's history: each method returns how to draw it, and what to call it."""

    def __init__(self, cluster: str, store: Store) -> None:
        self._cluster = cluster
        self._store = store

    def history(self) -> tuple[Callable[[], Figure], str]:
        runs = self._starts()

        def draw() -> Figure:
            from daybreak.report.plots.history import history_figure

            return history_figure(self._cluster, runs)

        return draw, "history"

    def workers(self) -> tuple[Callable[[], Figure], str]:
        runs = self._starts()

        def draw() -> Figure:
            from daybreak.report.plots.workers import workers_figure

            return workers_figure(self._cluster, runs)

        return draw, "workers"

    def run(self, which: str) -> tuple[Callable[[], Figure], str]:
        run, events = self._one(which)

        def draw() -> Figure:
            from daybreak.report.plots.gantt import gantt_figure

            return gantt_figure(self._cluster, run, events)

        return draw, f"run-{run.id}"

    def compare(self, first: str, second: str) -> tuple[Callable[[], Figure], str]:
        pair = self._one(first), self._one(second)

        def draw() -> Figure:
            from daybreak.report.plots.compare import compare_figure

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
