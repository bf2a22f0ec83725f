"""daybreak job list."""

from __future__ import annotations

import sys
import time

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.output import print_json
from daybreak.cli.job.table import table


@click.command()
@options.name
@click.option("-a", "--all", "everything", is_flag=True, help="Programs that connected by themselves, too.")
@options.as_json
def list(name: str | None, everything: bool, as_json: bool) -> None:
    """List the jobs, oldest first.

    \b
    Examples:
      daybreak job list
      daybreak job list --json | jq -r '.[] | select(.state == "failed").id'
    """
    found = [job for job in api.jobs(name).all() if job.submitted or everything]
    if as_json:
        print_json([job.to_json() for job in found])
    elif found:
        print("\n".join(table(found, time.time())))
    else:
        print("no job was submitted; `daybreak job submit -- python x.py` does it", file=sys.stderr)
