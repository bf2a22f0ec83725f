"""How jobs are listed."""

from __future__ import annotations

from daybreak.extras.jobs.job import Job
from daybreak.show.text import ago, aligned, harmless

HEADINGS = ("ID", "STATE", "STARTED", "TOOK", "COMMAND")


def table(found: list[Job], now: float) -> list[str]:
    """Aligned columns, the command last."""
    return aligned([HEADINGS, *(_row(job, now) for job in found)])


def _row(job: Job, now: float) -> tuple[str, ...]:
    took = f"{(job.ended or now) - job.started:.1f} s" if job.started else "-"
    state = f"{job.state} ({job.exit_code})" if job.exit_code else job.state
    return job.id, state, ago(job.started, now) if job.started else "-", took, harmless(job.command)
