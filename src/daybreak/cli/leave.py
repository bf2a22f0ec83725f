"""daybreak leave."""

from __future__ import annotations

import sys

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.change import timed
from daybreak.cli.common.output import print_json


@click.command()
@click.option("--now", is_flag=True, help="Stop at once, also where the first machine is away; nothing is drained.")
@options.name
@options.as_json
def leave(now: bool, name: str | None, as_json: bool) -> None:
    """Leave the cluster that this machine has joined.

    Replicas move to other nodes first, and answer what they have begun; then the workers here stop, and nothing of the
    cluster is left on this machine but its logs.

    \b
    Examples:
      daybreak leave
      daybreak leave -n shop --now
    """
    left, took_s = timed(lambda on_message: api.leave(name, now=now, on_message=on_message), as_json=as_json)
    if as_json:
        print_json(left)
    else:
        print(f"left the cluster at {left['left']} after {took_s:.1f} s", file=sys.stderr)
