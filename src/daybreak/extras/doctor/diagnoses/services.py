"""Workers, databases and your own services."""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.extras.doctor import service_findings
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding
from daybreak.names import HEAD, SERVE


def look(case: Case) -> Iterator[Finding]:
    """All but the head and the Serve applications, which have diagnoses of their own."""
    known = [*case.rows] or [handle.service for handle in case.handles]
    names = [name for name in known if name not in (HEAD, SERVE)] if case.running else []
    findings = [finding for name in names for finding in service_findings.look_at(case, name)]
    yield from findings or [service_findings.fine(names)]
