"""How anything is shown: data on stdout, progress and errors on stderr, plain text off a terminal."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from daybreak.errors import DaybreakError, UsageError
from daybreak.show.text import harmless

# Of details: with the reason above and what to do next below, less than a screen.
MOST_LINES = 20


def print_json(value: Any) -> None:
    """JSON on stdout, for other programs."""
    print(json.dumps(value, indent=2, default=str))


def print_rich(renderable: Any) -> None:
    """Rich on a terminal, plain text elsewhere, always as wide as it must be."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console().print(renderable)
    else:
        Console(width=160, no_color=True, highlight=False).print(renderable)


def styled(stream: TextIO | None = None) -> bool:
    """Whether a stream (stderr if absent) takes colours and cursor movement."""
    return (stream or sys.stderr).isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def print_error(error: DaybreakError, more: str = "") -> None:
    """What failed and why in the first line, the user's frames, what runs now, what to do next; at most a screen.

    `more` is a further hint.
    """
    mark, end = ("\033[1;31m", "\033[0m") if styled() else ("", "")
    print(f"{mark}error:{end} {harmless(error.message)}", file=sys.stderr)
    lines = error.unfolded() if error.verbose else error.details()
    lines = [line for line in lines if line not in error.message]
    if not error.verbose and len(lines) > MOST_LINES:
        rest = ": -v shows all" if error.verbose is False else ""
        lines = [*lines[: MOST_LINES - 1], f"… {len(lines) - MOST_LINES + 1} lines more{rest}"]
    for line in lines:
        print(f"  {harmless(line)}", file=sys.stderr)
    if error.aftermath:
        print(harmless(error.aftermath), file=sys.stderr)
    for hint in (_hint(error), more):
        if hint:
            print(f"hint: {harmless(hint)}", file=sys.stderr)


def _hint(error: DaybreakError) -> str:
    """What to do next, and where the rest is that is not shown."""
    more = [line for line in error.unfolded() if not line.startswith("log: ")] != error.details()
    folded = error.verbose is False and more
    return "; ".join(part for part in (error.hint, "-v shows all lines" if folded else "") if part)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is deleted; without a terminal only --yes counts. Raises UsageError where refused."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to answer.", hint="repeat with --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("not confirmed; nothing was changed")
