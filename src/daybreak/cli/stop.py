"""daybreak stop."""

from __future__ import annotations

import click

from daybreak import api
from daybreak.cli.common import complete, options
from daybreak.cli.common.change import follow


@click.command()
@click.argument("services", nargs=-1, required=True, shell_complete=complete.stoppable)
@options.name
@options.as_json
@options.verbose
def stop(services: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Stop SERVICES; each stays stopped until `daybreak start` or `daybreak up`.

    It is not brought back by anything else: not by supervision, another keeper, `restart` or `scale`; `status` shows
    `stopped (by you)`. What needs it runs on, and is named. Head, applications and gateway do not stop alone.

    \b
    Examples:
      daybreak stop api              one of your services
      daybreak stop redis grafana    databases and monitoring, too
      daybreak start redis
    """
    follow(lambda told: api.stop_service(services, name=name, on_message=told), as_json=as_json)
