"""daybreak start."""

from __future__ import annotations

import click

from daybreak import api
from daybreak.cli.common import complete, options
from daybreak.cli.common.change import follow


@click.command()
@click.argument("services", nargs=-1, required=True, shell_complete=complete.startable)
@options.name
@options.keep
@options.as_json
@options.verbose
def start(services: tuple[str, ...], name: str | None, keep: bool, as_json: bool) -> None:
    """Start SERVICES that were stopped; a step, such as a migration, is run once more.

    What runs already stays as it is: `daybreak restart SERVICE` starts that anew.

    \b
    Examples:
      daybreak start redis
      daybreak start migrate
    """
    follow(lambda told: api.start_service(services, name=name, keep=keep, on_message=told), as_json=as_json)
