"""What all plots share: fonts, colours that everybody can tell apart, figures without a display, and saving."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from daybreak.files import replacing

# Okabe and Ito's palette, without its yellow, which is too light for lines on white.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
INK, GREY, PALE, FAINT = "#222222", "#767676", "#D0D0D0", "#EDEDED"
DPI = 144
# Characters that fit below a title.
MOST_BELOW = 155
# A value that is so many times the largest usual one is drawn at the edge: it would flatten all others.
BEYOND = 1.6
SMALL, NORMAL, LARGE = 8.5, 10.0, 12.0

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": NORMAL,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": NORMAL,
    "axes.titleweight": "bold",
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "svg.hashsalt": "daybreak",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw as these plots do, whatever a user's matplotlibrc says. Also a decorator."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Inches; drawn without a display and without matplotlib's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def title(figure: Figure, text: str, below: str = "") -> None:
    """A line above everything, and a smaller one below it, both at the left."""
    height = figure.get_figheight()
    figure.text(0.012, 1 - 0.1 / height, text, fontsize=LARGE, fontweight="bold", va="top")
    if below:
        below = below if len(below) <= MOST_BELOW else below[: MOST_BELOW - 3] + "..."
        figure.text(0.012, 1 - 0.36 / height, below, fontsize=SMALL, color=GREY, va="top")
    engine = figure.get_layout_engine()
    if engine is not None:
        top = (0.62 if below else 0.42) / height
        engine.set(rect=(0, 0, 1, 1 - top))  # type: ignore[call-arg]


def save(figure: Figure, path: Path, *, dpi: int = DPI) -> None:
    """Write a PNG or an SVG, by the name's ending; the same figure makes the same file. Raises OSError."""
    # Without the version of matplotlib, or the time, in it.
    metadata = {"Software": None} if path.suffix.lower() == ".png" else {"Date": None, "Creator": None}
    with replacing(path, mode=None) as file, style(), warnings.catch_warnings():
        # An error's text may have letters that the font does not have: they become boxes.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(file, format=path.suffix.lower().lstrip("."), dpi=dpi, metadata=metadata)


def upper_end(values: Sequence[float], usual: Sequence[float]) -> float:
    """Where an axis from 0 ends: what lies far beyond the usual values is not what the others are drawn by."""
    most = max(values)
    common = max(usual, default=most)
    return (common * 1.35 if most > BEYOND * common else most * 1.12) or 1.0


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels: as near to the wanted ones as they can be with `gap` between any two, from `low` to `high`."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    found = [0.0] * len(places)
    floor = low
    for index in order:
        found[index] = max(places[index], floor)
        floor = found[index] + gap
    ceiling = high
    for index in reversed(order):
        found[index] = min(found[index], ceiling)
        ceiling = found[index] - gap
    return found


def label_right(axes: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Texts (y, text, colour) right of the axes at the height of their lines, moved apart where they would overlap.

    To be called when the limits of y are final.
    """
    low, high = axes.get_ylim()
    figure = axes.get_figure(root=True)
    height = figure.get_figheight() * axes.get_position().height if figure else 1.0
    gap = (high - low) * (1.35 * SMALL / 72) / max(height, 0.1)
    for (y, text, colour), place in zip(labels, spread([y for y, _, _ in labels], gap, low, high), strict=True):
        axes.annotate(
            text,
            (1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(1.015, place),
            textcoords=("axes fraction", "data"),
            fontsize=SMALL,
            color=colour,
            va="center",
            annotation_clip=False,
        )
