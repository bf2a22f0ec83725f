"""daybreak perf clear."""

from __future__ import annotations

import sys

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.output import confirm
from daybreak.paths import ClusterPaths
from daybreak.timeline.store import Store


@click.command()
@options.yes
@options.name
def clear(name: str | None, yes: bool) -> None:
    """Delete the history, after asking."""
    cluster = api.resolve_name(name)
    confirm(f"Delete the history of cluster {cluster}?", yes=yes)
    path = ClusterPaths.of(cluster).timeline
    count = 0
    if path.exists():
        with Store(path) as store:
            count = store.clear()
    print(f"deleted {count} runs", file=sys.stderr)
