"""What commands say of other clusters where the folder's own does not run."""

from __future__ import annotations

import sys

from daybreak.errors import DaybreakError
from daybreak.keeper.control.clusters import others
from daybreak.paths import short

# Of clusters that are named in a message.
MOST_NAMED = 4
NOT_RUNNING = "NotRunning"


def hint_for(error: DaybreakError) -> str:
    """Where a command needs a running cluster and this one is not: which ones run."""
    kind = type(error).__name__
    return running("") if kind == NOT_RUNNING else ""


def running(than: str) -> str:
    """`these run: shop (~/shop), visits (~/visits)`; empty where none does."""
    found = others(than)
    named = [f"{listed.name} ({short(listed.folder)})" for listed in found[:MOST_NAMED]]
    more = ["..."] if len(found) > MOST_NAMED else []
    return f"running now: {', '.join([*named, *more])}; -n NAME means one of them" if found else ""


def tell_others(than: str) -> None:
    """Say on stderr what runs elsewhere."""
    if said := running(than):
        print(f"hint: {said}", file=sys.stderr)
