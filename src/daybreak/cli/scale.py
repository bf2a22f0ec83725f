"""daybreak scale."""

from __future__ import annotations

import click

from daybreak import api
from daybreak.cli.common import complete, counts, options
from daybreak.cli.common.change import follow
from daybreak.spec.groups import Counts


@click.command()
@click.argument(
    "workers",
    nargs=-1,
    required=True,
    callback=counts.parse,
    metavar="WORKERS | GROUP=N ...",
    shell_complete=complete.group,
)
@options.name
@options.as_json
@options.verbose
def scale(workers: Counts, name: str | None, as_json: bool) -> None:
    """Change the number of WORKERS of a running cluster.

    Where its workers are in groups, GROUP=N says of which; those of the others stay as many as they are.

    \b
    Examples:
      daybreak scale 5
      daybreak scale gpu=2
      daybreak scale gpu=0 cpu=8
    """
    follow(lambda on_message: api.scale(workers, name=name, on_message=on_message), as_json=as_json)
