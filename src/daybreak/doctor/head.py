"""The head: GCS, raylet and agents, and the lines of their logs that say why it is not well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from daybreak.doctor import rows
from daybreak.doctor.case import Case
from daybreak.doctor.finding import Finding, Severity, error, ok
from daybreak.health import http
from daybreak.services.ray import HEAD, dashboard_health_url

GCS_DEADLINE_S = 3.0


def look(case: Case) -> Iterator[Finding]:
    """As the keeper knows it; without one, whether its processes are there. Checks do not see a GCS that hangs."""
    findings = list(rows.look_at(case, HEAD)) if case.running else []
    if case.running and case.has_head and all(found.severity <= Severity.NOTE for found in findings):
        findings += _gcs(case)
    yield from findings or [ok("healthy" if case.running and case.has_head else "not running")]


def _gcs(case: Case) -> Iterator[Finding]:
    """The dashboard asks the GCS; without a dashboard nobody does for us."""
    row = case.rows.get(HEAD)
    if row is None or row["state"] != "ready" or not case.spec.dashboard:
        return
    said = asyncio.run(_asked(dashboard_health_url(case.spec)))
    if said:
        yield error(
            f"the GCS does not answer: {said}",
            "nothing new can start: no task, actor, replica or node",
            case.command("restart"),
            case.command("logs head --all"),
            lines=rows.log_lines(case, HEAD),
        )


async def _asked(url: str) -> str:
    """What is wrong with the answer; nothing where there is none but a good one."""
    try:
        async with asyncio.timeout(GCS_DEADLINE_S):
            answer = await http.get(url)
    except TimeoutError:
        return f"{url} has said nothing for {GCS_DEADLINE_S:g} s"
    except OSError as refused:
        return f"{url}: {refused.strerror or refused}"
    return "" if answer.status == http.OK else f"{url} answered {answer.status}"
