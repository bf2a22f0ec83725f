"""The head: GCS, raylet and agents, and the lines of their logs that say why it is not well."""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.doctor import rows
from daybreak.doctor.case import Case
from daybreak.doctor.finding import Finding, ok
from daybreak.services.ray import HEAD


def look(case: Case) -> Iterator[Finding]:
    """As the keeper knows it; without one, whether its processes are there."""
    findings = list(rows.look_at(case, HEAD)) if case.running else []
    yield from findings or [ok("healthy" if case.running and case.has_head else "not running")]
