"""Writing a plot into a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from daybreak.errors import DaybreakError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from daybreak.extras.sweep.result import Sweep

ENDINGS = (".png", ".svg")


def write_plot(draw: Callable[[], Figure], path: Path) -> Path:
    """Draw and save. Raises DaybreakError where matplotlib is missing, or the file cannot be written."""
    try:
        from daybreak.show.plots.style import save

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


def draw_sweep(result: Sweep, path: Path) -> Path:
    """Write the plot of a sweep."""

    def figure() -> Figure:
        from daybreak.show.plots.sweep import sweep_figure

        return sweep_figure(result)

    return write_plot(figure, path)
