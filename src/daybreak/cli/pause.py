"""daybreak pause."""

from __future__ import annotations

import sys

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.change import timed
from daybreak.cli.common.output import print_json


@click.command()
@click.option(
    "--page",
    type=click.Path(),
    help="Answer every request at once: 503, with the content of this file (HTML or other).",
)
@options.name
@options.as_json
def pause(page: str | None, name: str | None, as_json: bool) -> None:
    """Let requests wait in the gateway, or answer them with a page.

    What is being answered goes on. A request waits for `gateway.hold` of the spec, then it gets 503. A restart does not
    end a pause: only `daybreak resume` and `daybreak down` do.

    \b
    Examples:
      daybreak pause                     while a database is migrated
      daybreak pause --page sorry.html   for longer
      daybreak resume
    """
    cluster, _ = timed(lambda on_message: api.pause(page=page, name=name, on_message=on_message), as_json=as_json)
    if as_json:
        print_json(cluster.raw)
        return
    what = "requests get the page" if page else "requests wait"
    print(f"{cluster.name} is paused: {what} until `daybreak resume`", file=sys.stderr)
