"""daybreak uninstall: the cluster starts with the machine no longer."""

from __future__ import annotations

import sys

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.extras.boot import systemd


@click.command()
@options.name
def uninstall(name: str | None) -> None:
    """Remove the unit that `install` has written; what runs goes on.

    \b
    Example:
      daybreak uninstall && daybreak down
    """
    cluster = api.resolve_name(name)
    removed = systemd.uninstall(cluster)
    if removed is None:
        print(f"{cluster} has no unit: {systemd.place(cluster)} is not there", file=sys.stderr)
        return
    print(removed)
    print(f"{cluster} starts with the machine no longer; `daybreak down` stops it", file=sys.stderr)
