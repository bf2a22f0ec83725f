"""daybreak scale."""

from __future__ import annotations

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.change import follow
from daybreak.names import MOST_WORKERS


@click.command()
@click.argument("workers", type=click.IntRange(0, MOST_WORKERS))
@options.name
@options.as_json
@options.verbose
def scale(workers: int, name: str | None, as_json: bool) -> None:
    """Change the number of WORKERS of a running cluster.

    \b
    Example:
      daybreak scale 5
    """
    follow(lambda on_message: api.scale(workers, name=name, on_message=on_message), as_json=as_json)
