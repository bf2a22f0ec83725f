"""One line on a terminal that is redrawn in place; elsewhere only what is over has a line."""

from __future__ import annotations

import sys

from daybreak.cli.common.output import styled
from daybreak.show.text import harmless

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
MOST_CHARACTERS = 130


class MovingLine:
    """Says on stderr what is going on. `silent` says nothing at all."""

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent
        self._live = styled() and not silent
        self._frame = 0

    def __enter__(self) -> MovingLine:
        return self

    def __exit__(self, *rest: object) -> None:
        self._clear()

    def show(self, text: str) -> None:
        """What is going on now."""
        if self._live:
            self._frame += 1
            mark = FRAMES[self._frame % len(FRAMES)]
            print(f"\r\033[K{mark} {harmless(text)[:MOST_CHARACTERS]}", end="", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        if not self._silent:
            self._clear()
            print(harmless(text), file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
