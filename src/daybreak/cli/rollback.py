"""daybreak rollback."""

from __future__ import annotations

import click

from daybreak import api
from daybreak.cli.common import complete, options
from daybreak.cli.common.change import follow


@click.command()
@click.argument("version", type=click.IntRange(1), required=False, shell_complete=complete.version)
@options.name
@options.keep
@options.as_json
@options.verbose
def rollback(version: int | None, name: str | None, keep: bool, as_json: bool) -> None:
    """Return to VERSION of the applications, or to the one before that which serves.

    Their code, their part of the spec and the environment are those of that version. The folder, databases, ports and
    the gateway stay as they are. It goes the way that a restart would. The next `daybreak restart` deploys the folder
    again; `daybreak up` does so when something in the folder has changed since. A version that `restart --keep-old` has
    kept goes on where it was stopped, within a moment.

    \b
    Examples:
      daybreak rollback      the version before
      daybreak rollback 3    that one; `daybreak versions` lists them
    """
    follow(lambda told: api.rollback(version, name=name, keep=keep, on_message=told), as_json=as_json)
