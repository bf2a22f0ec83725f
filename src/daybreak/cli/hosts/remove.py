"""daybreak hosts remove."""

from __future__ import annotations

import sys

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.change import timed
from daybreak.cli.common.output import print_json


@click.command()
@click.argument("host")
@options.name
@options.as_json
def remove(host: str, name: str | None, as_json: bool) -> None:
    """Take HOST out of the cluster: its nodes are drained, then it stops them.

    Its certificate opens nothing from then on. One that is away stops its nodes when it is there again.

    \b
    Examples:
      daybreak hosts remove big-one
    """
    done, _ = timed(lambda on_message: api.remove_host(host, name=name, on_message=on_message), as_json=as_json)
    if as_json:
        print_json(done)
    else:
        print(f"{host} is no host of the cluster any more", file=sys.stderr)
