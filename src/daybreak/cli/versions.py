"""daybreak versions."""

from __future__ import annotations

import time

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.output import print_json
from daybreak.show.text import ago, size
from daybreak.timeline.status import VersionStatus

COLUMNS = ("VERSION", "DEPLOYED", "BY", "SIZE", "")


@click.command()
@options.name
@options.as_json
def versions(name: str | None, as_json: bool) -> None:
    """List what was deployed with success, and which of it serves.

    A version is what Python imports from the folder, the spec and the environment. `versions` in the spec says how many
    are kept.

    \b
    Examples:
      daybreak versions
      daybreak rollback 3    returns to one
    """
    found = api.versions(name)
    if as_json:
        print_json({"versions": found})
        return
    if not found:
        print("no version is kept yet: each good `up` or `restart` of applications keeps one")
        return
    now = time.time()
    rows = [COLUMNS, *(_row(one, now) for one in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS) - 1)]
    for row in rows:
        print("  ".join([*map(str.ljust, row[:-1], widths), row[-1]]).rstrip())


def words(version: VersionStatus) -> str:
    """Which one serves, for `status`."""
    if not version.rolled_back:
        return str(version.number)
    return f"{version.number} (rolled back; the folder is not deployed: `daybreak restart` does that)"


def _row(version: api.Version, now: float) -> tuple[str, ...]:
    told = ["serves"] if version["serves"] else []
    told += version["changed"]
    when = ago(version["wall"], now)
    return (str(version["number"]), when, version["how"], size(version["size_bytes"]), "; ".join(told))
