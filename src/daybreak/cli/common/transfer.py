"""What `backup` and `restore` have in common: their options, and how far they are."""

from __future__ import annotations

import time

import click

from daybreak.cli.common import complete
from daybreak.cli.common.moving_line import MovingLine
from daybreak.errors import UsageError
from daybreak.extras.backup.telling import Tell, Told
from daybreak.show.text import size

# So often, at most, a line is redrawn.
REDRAW_S = 0.1

only = click.option(
    "--only", metavar="NAMES", shell_complete=complete.database, help="Of the databases these alone, such as postgres."
)
timeout = click.option("-t", "--timeout", default="1h", show_default=True, help="Deadline of all of it, such as 4h.")


def names(given: str | None) -> tuple[str, ...]:
    """The databases that `--only` names; none for all of them. Raises UsageError."""
    if given is None:
        return ()
    found = tuple(name.strip() for name in given.split(",") if name.strip())
    if not found:
        raise UsageError("--only names no database", hint="--only postgres,redis")
    return found


def teller(line: MovingLine) -> Tell:
    """Shows on the line what has gone through."""
    last = 0.0

    def tell(told: Told) -> None:
        nonlocal last
        now = time.monotonic()
        if told.over:
            line.say(f"{told.what}: {size(told.size_bytes)}")
        elif now - last >= REDRAW_S:
            last = now
            line.show(f"{told.what}: {size(told.size_bytes)}")

    return tell
