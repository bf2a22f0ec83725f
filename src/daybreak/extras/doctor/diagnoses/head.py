"""The head: GCS, raylet and agents, and the lines of their logs that say why it is not well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from daybreak.extras.doctor import service_findings
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import DEADLINE_S, Finding, error, ok
from daybreak.health import http
from daybreak.hosts import reachable
from daybreak.names import HEAD
from daybreak.services.ray.addresses import DASHBOARD_HEALTH
from daybreak.states import ServiceState

# The gateway lets a question wait that nobody answers; a diagnosis that is not made in time finds nothing at all.
GCS_DEADLINE_S = 0.7 * DEADLINE_S


def look(case: Case) -> Iterator[Finding]:
    """Whether the GCS answers, which the keeper's checks tell some seconds later, and as a warning at first; then what
    the keeper knows, or without one, whether its processes are there."""
    findings = [*_gcs(case), *service_findings.look_at(case, HEAD)] if case.running else []
    yield from findings or [ok("healthy" if case.running and case.has_head else "not running")]


def _gcs(case: Case) -> Iterator[Finding]:
    """The dashboard asks the GCS; without a dashboard nobody does for us."""
    row = case.rows.get(HEAD)
    if not case.has_head or row is None or row.state is not ServiceState.READY or not case.spec.dashboard:
        return
    # That of the second slot has another port than the spec says.
    dashboard = row.urls.get("dashboard", f"http://{reachable(case.spec.listen)}:{case.spec.port('dashboard')}")
    said = asyncio.run(_answer_of(dashboard + DASHBOARD_HEALTH))
    if said:
        yield error(
            f"the GCS does not answer: {said}",
            "nothing new can start: no task, actor, replica or node",
            case.command("restart"),
            case.command("logs head --all"),
            lines=service_findings.log_lines(case, HEAD),
        )


async def _answer_of(url: str) -> str:
    """What is wrong with the answer; nothing where there is none but a good one."""
    try:
        async with asyncio.timeout(GCS_DEADLINE_S):
            answer = await http.get(url)
    except TimeoutError:
        return f"{url} has said nothing for {GCS_DEADLINE_S:g} s"
    except OSError as refused:
        return f"{url}: {refused.strerror or refused}"
    return "" if answer.status == http.OK else f"{url} answered {answer.status}"
