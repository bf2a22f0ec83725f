"""daybreak hosts: the other machines of the cluster."""

from __future__ import annotations

import sys

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.lazy import LazyGroup
from daybreak.cli.common.output import print_json
from daybreak.show.hosts import host_lines
from daybreak.show.text import harmless

COMMANDS = {"remove": "Take HOST out of the cluster: its nodes are drained, then it stops them."}


@click.group(cls=LazyGroup, package=__name__, lines=COMMANDS, invoke_without_command=True)
@options.name
@options.as_json
@click.pass_context
def hosts(context: click.Context, name: str | None, as_json: bool) -> None:
    """List the machines that have joined: state, nodes, when each was last heard of.

    \b
    Examples:
      daybreak hosts
      daybreak hosts remove big-one
    """
    if context.invoked_subcommand:
        return
    found = api.hosts(name)
    if as_json:
        print_json({"hosts": found})
    elif found:
        print("\n".join(map(harmless, host_lines(found))))
    else:
        print("no other machine has joined: `daybreak invite` prints the line for one", file=sys.stderr)
