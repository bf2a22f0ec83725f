"""clusters: all of this account; and what other commands say of them where the folder's own does not run."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from daybreak.cli.output import print_json
from daybreak.errors import DaybreakError, RemoteError
from daybreak.keeper.clusters import Listed, clusters, others
from daybreak.paths import short
from daybreak.report.text import ago

HEADINGS = ("NAME", "STATE", "WORKERS", "STARTED", "FOLDER", "")
# Of clusters that are named in a message.
MOST_NAMED = 4
NOT_RUNNING = "NotRunning"


def show(everything: bool, as_json: bool) -> None:
    """Print one line for each cluster."""
    found = clusters(everything=everything)
    if as_json:
        print_json([listed.to_json() for listed in found])
    elif found:
        print("\n".join(table(found, time.time())))
    else:
        rest = "" if everything else "; `daybreak clusters --all` lists those that are down"
        print(f"no cluster {'is known' if everything else 'runs'}{rest}", file=sys.stderr)


def table(found: list[Listed], now: float) -> list[str]:
    """Aligned columns: the first address last, since it may be long."""
    rows = [HEADINGS, *(_row(listed, now) for listed in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def _row(listed: Listed, now: float) -> tuple[str, ...]:
    runs = listed.since is not None
    return (
        listed.name,
        listed.state,
        str(listed.workers) if runs else "-",
        ago(listed.since, now) if listed.since is not None else "-",
        short(listed.folder) or "-",
        _address(listed.urls) if runs else ("has data" if listed.data else ""),
    )


def _address(urls: Mapping[str, str]) -> str:
    """Where people go first."""
    return next((urls[name] for name in ("serve", "page", "dashboard") if name in urls), "")


def hint_for(error: DaybreakError) -> str:
    """Where a command needs a running cluster and this one is not: which ones run."""
    kind = error.type if isinstance(error, RemoteError) else type(error).__name__
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
