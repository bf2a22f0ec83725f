"""daybreak job stop."""

from __future__ import annotations

import sys

import click

from daybreak import api
from daybreak.cli.common import complete, options
from daybreak.errors import UsageError
from daybreak.extras.jobs.follow import ended


@click.command()
@click.argument("job", metavar="ID...", nargs=-1, required=True, shell_complete=complete.job)
@options.name
def stop(name: str | None, job: tuple[str, ...]) -> None:
    """End jobs.

    They get SIGTERM, and are killed where they have not ended after three seconds. One that has ended is left as it is.

    \b
    Example:
      daybreak job stop nightly
    """
    jobs = api.jobs(name)
    found = {one: jobs.info(one) for one in job}
    if unknown := [one for one, known in found.items() if known is None or not known.submitted]:
        raise UsageError(
            f"no submitted job: {', '.join(unknown)}; nothing was stopped",
            hint="`daybreak job list` shows those that there are",
        )
    asked = [one for one in found if jobs.stop(one)]
    for one in found:
        if one in asked:
            print(f"job {one}: {ended(jobs, one).state}", file=sys.stderr)
        else:
            print(f"job {one} had ended already", file=sys.stderr)
