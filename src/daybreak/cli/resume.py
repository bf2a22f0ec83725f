"""daybreak resume."""

from __future__ import annotations

import sys

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.change import timed
from daybreak.cli.common.output import print_json


@click.command()
@options.name
@options.as_json
def resume(name: str | None, as_json: bool) -> None:
    """Let requests pass again after `pause`.

    \b
    Example:
      daybreak resume
    """
    cluster, _ = timed(lambda on_message: api.resume(name, on_message=on_message), as_json=as_json)
    if as_json:
        print_json(cluster.raw)
        return
    print(f"{cluster.name}: requests pass as soon as the applications answer", file=sys.stderr)
