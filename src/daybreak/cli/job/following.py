"""What `job submit` and `job logs -f` do: a job is shown to its end, and its exit code is the command's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

from daybreak.cli.common.output import print_json
from daybreak.errors import EXIT_INTERRUPTED, DaybreakError
from daybreak.extras.jobs import follow as following
from daybreak.extras.jobs.job import Job
from daybreak.extras.jobs.rest import JobsApi
from daybreak.paths import ClusterPaths
from daybreak.redact import Redaction
from daybreak.show.text import ANSI


def follow(jobs: JobsApi, job: str, cluster: str, *, stop_on_interrupt: bool, as_json: bool) -> int:
    """Show it until it has ended; returns its exit code. With `as_json` what it prints goes to stderr."""
    print(f"following job {job}; Ctrl-C {'ends it' if stop_on_interrupt else 'leaves it running'}", file=sys.stderr)
    stream = sys.stderr if as_json else sys.stdout
    hide = shown(cluster, stream)
    try:
        for text in following.follow(jobs, job):
            print(hide(text), end="", file=stream, flush=True)
        found = following.ended(jobs, job)
    except KeyboardInterrupt:
        return _interrupted(jobs, job, stop_on_interrupt)
    if as_json:
        print_json(found.to_json())
    print(_end_of(found), file=sys.stderr)
    return found.code


def shown(cluster: str, stream: TextIO) -> Callable[[str], str]:
    """What shows a job's output: without the cluster's secrets, and off a terminal without colours."""
    hide = Redaction(ClusterPaths.of(cluster).secrets)
    return hide if stream.isatty() else lambda text: ANSI.sub("", hide(text))


def _interrupted(jobs: JobsApi, job: str, stop: bool) -> int:
    """The job goes on, and the command says how to come back to it; or it is ended, too."""
    try:
        if stop:
            jobs.stop(job)
            print(f"job {job}: {following.ended(jobs, job).state}", file=sys.stderr)
            return EXIT_INTERRUPTED
    except DaybreakError as error:
        print(f"job {job} could not be stopped: {error.message}", file=sys.stderr)
    print(
        f"job {job} goes on: `daybreak job logs -f {job}` follows it, `daybreak job stop {job}` ends it",
        file=sys.stderr,
    )
    return EXIT_INTERRUPTED


def _end_of(job: Job) -> str:
    """One line. Ray's own words where the command never ran."""
    took = f" after {job.ended - job.started:.1f} s" if job.ended and job.started else ""
    code = f", exit code {job.exit_code}" if job.exit_code else ""
    why = f": {job.message.splitlines()[0]}" if job.state == "failed" and job.exit_code is None and job.message else ""
    return f"job {job.id} {job.state}{took}{code}{why}"
