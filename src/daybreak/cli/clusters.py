"""daybreak clusters: all of this account."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

import click

from daybreak.cli.common import options
from daybreak.cli.common.output import print_json
from daybreak.keeper.control import clusters as known
from daybreak.keeper.control.clusters import Listed
from daybreak.paths import short
from daybreak.show.text import ago, aligned

HEADINGS = ("NAME", "STATE", "WORKERS", "STARTED", "FOLDER", "")


@click.command()
@click.option("-a", "--all", "everything", is_flag=True, help="Those that are down, too.")
@options.as_json
def clusters(everything: bool, as_json: bool) -> None:
    """List the clusters of this account: state, workers, since when, the folder each belongs to, where it answers.

    \b
    Example:
      daybreak clusters --all
    """
    found = known.clusters(everything=everything)
    if as_json:
        print_json([listed.to_json() for listed in found])
    elif found:
        print("\n".join(table(found, time.time())))
    else:
        rest = "" if everything else "; `daybreak clusters --all` lists those that are down"
        print(f"no cluster {'is known' if everything else 'runs'}{rest}", file=sys.stderr)


def table(found: list[Listed], now: float) -> list[str]:
    """Aligned columns: the first address last, since it may be long."""
    return aligned([HEADINGS, *(_row(listed, now) for listed in found)])


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
