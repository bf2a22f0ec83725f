"""Serve applications that are configured but not deployed, with the last error of the deployment."""

from __future__ import annotations

import json
from collections.abc import Iterator

from daybreak.doctor import rows
from daybreak.doctor.case import Case
from daybreak.doctor.finding import Finding, error, ok, warning
from daybreak.services.ray import SERVE


def look(case: Case) -> Iterator[Finding]:
    """As the keeper knows it, and what the deployment itself has written."""
    wanted = case.spec.serve.wanted
    if not case.running or not case.has_head:
        yield ok("configured; Ray is not running" if wanted else "no application is configured")
        return
    findings = list(_findings(case))
    yield from findings or [ok("deployed" if wanted else "no application is configured")]


def _findings(case: Case) -> Iterator[Finding]:
    if case.of_file and case.of_file.serve.wanted and not case.spec.serve.wanted:
        yield warning(
            f"{case.file} has an application, and the running cluster has none",
            "it was started before the application was added",
            case.command("up"),
        )
    if not case.spec.serve.wanted:
        return
    row = case.rows.get(SERVE)
    if row is None:
        yield from _by_status_file(case)
    elif row["state"] != "failed":
        yield from rows.look_at(case, SERVE)
    else:
        yield error(
            f"the application is not deployed: {row['reason']}",
            "requests get no answer",
            case.command("up"),
            case.command("logs serve"),
            lines=row.get("tail") or rows.log_lines(case, SERVE),
        )


def _by_status_file(case: Case) -> Iterator[Finding]:
    """Without a keeper the deployment's own last word counts."""
    try:
        state = json.loads((case.paths.runtime / "serve-status.json").read_text())
    except (OSError, ValueError):
        state = {"stage": "never begun"}
    if state["stage"] != "running":
        yield error(
            f"the application is not deployed: {state.get('reason') or state['stage']}",
            "requests get no answer",
            case.command("up"),
            case.command("logs serve"),
            lines=[str(line) for line in state.get("error", ())][-rows.MOST_LINES :],
        )
