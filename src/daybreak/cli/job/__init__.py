"""daybreak job: Ray's jobs API."""

from __future__ import annotations

import click

from daybreak.cli.common.lazy import LazyGroup

COMMANDS = {
    "list": "List the jobs, oldest first.",
    "logs": "Show what a job has printed; the newest one's without ID.",
    "status": "Show one job; the newest without ID.",
    "stop": "End jobs.",
    "submit": "Run COMMAND in the cluster as a job, and follow it: its exit code is the job's.",
}


@click.group(cls=LazyGroup, package=__name__, lines=COMMANDS)
def job() -> None:
    """Run programs in the cluster as jobs of Ray, which go on by themselves."""
