"""Serve applications that are configured but not deployed, with the last error of the deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.extras.doctor import service_findings
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, note, ok, warning
from daybreak.files import read_book
from daybreak.names import SERVE
from daybreak.services.ray.serve import STATUS, notes
from daybreak.show.logs.sources import slot_suffix
from daybreak.states import Health, ServiceState, Stage

NOT_KNOWN = "a deployment that Serve calls unhealthy does not show; that Serve's door answers does"


def look(case: Case) -> Iterator[Finding]:
    """As the keeper knows it, and what the deployment itself has written."""
    wanted = case.spec.serve.wanted
    if not case.running or not case.has_head:
        yield ok("configured; Ray is not running" if wanted else "no application is configured")
        yield from _notes(case)
        return
    findings = [*_findings(case), *_notes(case)]
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
    elif row.state is not ServiceState.FAILED:
        yield from _as_serve_tells(case) or service_findings.look_at(case, SERVE)
    else:
        yield error(
            f"the application is not deployed: {row.reason}",
            "requests get no answer",
            case.command("up"),
            case.command("logs serve"),
            lines=row.tail or service_findings.log_lines(case, SERVE),
        )


def _notes(case: Case) -> Iterator[Finding]:
    """Where the applications do not get what their config, or Serve's own ways, would give them."""
    try:
        said = notes(case.spec, case.serving)
    except DaybreakError:
        return  # other diagnoses say what is wrong with Ray, or with the file
    for text in said:
        yield note(text, "the cluster is started so; docs/spec.md says why, under serve")


def _as_serve_tells(case: Case) -> list[Finding]:
    """What the keeper heard from Serve itself: each deployment that is not well, with the lines that say why."""
    row = case.rows[SERVE]
    serving = case.snapshot.serving if case.snapshot else {}
    if row.state is ServiceState.READY and row.health in (Health.DEGRADED, Health.UNHEALTHY):
        found = [(app, one) for app in serving.get("applications", ()) for one in app["deployments"] if _unwell(one)]
        lines = [f"{app['name']}: {line}" for app, one in found for line in [_told(one), *one["lines"]]]
        sick = row.health is Health.UNHEALTHY
        tell = error if sick else warning
        return [
            tell(
                f"the applications are {row.health}: {row.reason}",
                "requests fail, or will"
                if row.health is Health.UNHEALTHY
                else "they answer, with less than they should",
                case.command("logs serve"),
                case.command("status"),
                lines=(lines or service_findings.log_lines(case, SERVE))[: service_findings.MOST_LINES],
            )
        ]
    if row.state is ServiceState.READY and serving.get("unknown") and row.health is Health.HEALTHY:
        return [note(f"what Serve says of the applications is not known: {serving['unknown']}", NOT_KNOWN)]
    return []


def _unwell(deployment: Mapping[str, Any]) -> bool:
    return bool(deployment["status"] != "HEALTHY" or deployment["running"] < deployment["wanted"])


def _told(deployment: Mapping[str, Any]) -> str:
    count = f"{deployment['running']} of {deployment['wanted']} replicas"
    return f"{deployment['name']} is {deployment['status']}, {count}: {deployment['message']}".rstrip(": ")


def _by_status_file(case: Case) -> Iterator[Finding]:
    """Without a keeper the deployment's own last word counts."""
    suffix = slot_suffix(case.paths)
    state = read_book(case.paths.runtime / (f"{SERVE}{suffix}" if suffix else "") / STATUS)
    stage = state.get("stage", "never begun")
    if stage != Stage.RUNNING:
        yield error(
            f"the application is not deployed: {state.get('reason') or stage}",
            "requests get no answer",
            case.command("up"),
            case.command("logs serve"),
            lines=[str(line) for line in state.get("error", ())][-service_findings.MOST_LINES :],
        )
