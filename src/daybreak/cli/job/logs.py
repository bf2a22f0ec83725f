"""daybreak job logs."""

from __future__ import annotations

import sys

import click

from daybreak import api
from daybreak.cli.common import complete, options
from daybreak.cli.job.choosing import with_logs
from daybreak.cli.job.following import follow as follow_to_its_end
from daybreak.cli.job.following import shown
from daybreak.errors import UsageError


@click.command()
@click.argument("job", metavar="[ID]", required=False, shell_complete=complete.job)
@click.option("-f", "--follow", is_flag=True, help="Until it has ended; the exit code is the job's then.")
@click.option("-l", "--lines", type=click.IntRange(0), help="The last ones; all if absent. Not with --follow.")
@options.name
def logs(name: str | None, job: str | None, follow: bool, lines: int | None) -> int:
    """Show what a job has printed; the newest one's without ID.

    \b
    Examples:
      daybreak job logs -f
      daybreak job logs nightly --lines 20
    """
    if follow and lines is not None:
        raise UsageError("--lines and --follow do not go together: what is followed is shown from its first line on")
    jobs = api.jobs(name)
    found = with_logs(jobs, job)
    cluster = api.resolve_name(name)
    if follow:
        return follow_to_its_end(jobs, found.id, cluster, stop_on_interrupt=False, as_json=False)
    text = shown(cluster, sys.stdout)(jobs.logs(found.id))
    kept = text.splitlines(keepends=True)
    print("".join(kept if lines is None else kept[len(kept) - min(lines, len(kept)) :]), end="")
    return 0
