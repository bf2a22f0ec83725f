"""daybreak job status."""

from __future__ import annotations

import time

import click

from daybreak import api
from daybreak.cli.common import complete, options
from daybreak.cli.common.output import print_json
from daybreak.cli.job.choosing import chosen
from daybreak.cli.job.table import table
from daybreak.show.text import harmless


@click.command()
@click.argument("job", metavar="[ID]", required=False, shell_complete=complete.job)
@options.name
@options.as_json
def status(name: str | None, job: str | None, as_json: bool) -> None:
    """Show one job; the newest without ID.

    \b
    Example:
      daybreak job status nightly --json | jq .exit_code
    """
    found = chosen(api.jobs(name), job)
    if as_json:
        print_json(found.to_json())
        return
    print("\n".join(table([found], time.time())))
    if found.message:
        print(harmless(found.message))
