"""Which job a command means."""

from __future__ import annotations

from daybreak.errors import UsageError
from daybreak.extras.jobs.job import Job
from daybreak.extras.jobs.rest import JobsApi


def chosen(jobs: JobsApi, job: str | None) -> Job:
    """The one of that name, else the one that was submitted last."""
    if job is not None:
        return jobs.known(job)
    submitted = [one for one in jobs.all() if one.submitted]
    if not submitted:
        raise UsageError("no job was submitted yet", hint="`daybreak job submit -- python x.py` does it")
    return submitted[-1]


def with_logs(jobs: JobsApi, job: str | None) -> Job:
    """The same; Ray writes down what a job prints only where it has started it."""
    found = chosen(jobs, job)
    if not found.submitted:
        raise UsageError(f"{found.id} connected by itself: what it prints is where it was started")
    return found
