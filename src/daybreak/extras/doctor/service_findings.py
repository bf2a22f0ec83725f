"""A service that is not well, as the keeper or /proc shows it, with the lines of its logs that say why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.backends.process import members
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, note, ok, warning
from daybreak.health.tail import tail
from daybreak.names import HEAD, SERVE
from daybreak.redact import Redaction
from daybreak.show.logs.alarm import alarms
from daybreak.show.logs.sources import slot_suffix
from daybreak.states import BY_YOU, FINE, ON_ITS_WAY, Health, ServiceState
from daybreak.timeline.status import ServiceStatus

MOST_LINES = 12
LINES_OF_EACH = 3
LOOKED_AT = 400
LONGEST = 240
RAY_LOGS = (
    "gcs_server.out",
    "gcs_server.err",
    "raylet.out",
    "raylet.err",
    "dashboard_agent.log",
    "runtime_env_agent.log",
    "dashboard.log",
)
UNTOLD = "nobody can tell whether it runs; when that can be told, the keeper goes on"
MEANS = {
    ServiceState.BACKING_OFF: "the keeper tries it again and again",
    ServiceState.NOT_ENDED: "it goes on using its ports and memory, and may answer in the place of what is to come",
}
SERVE_LOGS = ("serve/*.log",)


def look_at(case: Case, service: str) -> Iterator[Finding]:
    """What is wrong with one service of a cluster of which something runs; nothing where all is well."""
    row = case.rows.get(service)
    if row is None:
        yield from _without_keeper(case, service)
    elif row.state not in FINE or row.health is Health.UNHEALTHY:
        yield _unwell(case, row)
    elif row.health is Health.DEGRADED:
        yield warning(
            f"{service} is degraded: {row.reason}",
            "it answers, with less than it is to have",
            case.command(f"logs {service}"),
            lines=log_lines(case, service),
        )
    elif row.health is Health.FAILING:
        yield warning(
            f"{service} fails its checks: {row.reason}",
            "it is replaced when it goes on",
            case.command(f"logs {service}"),
            lines=log_lines(case, service),
        )
    elif row.restarts:
        yield note(
            f"{service} was started again {row.restarts} times after it had ended",
            "what ended once may end again",
            case.command(f"logs {service}"),
        )


def _unwell(case: Case, row: ServiceStatus) -> Finding:
    """What is under way is no error yet."""
    service = row.name
    if row.reason == BY_YOU:
        why = "it stays so until somebody starts it; `daybreak up` does, too"
        return warning(f"{service} is stopped {BY_YOU}", why, case.command(f"start {service}"))
    what = Health.UNHEALTHY if row.state is ServiceState.READY else row.state
    found = f"{service} is {what}" + (f": {row.reason}" if row.reason else "")
    lines = [*row.tail, *log_lines(case, service)][:MOST_LINES]
    if row.state in ON_ITS_WAY or (case.snapshot and case.snapshot.run):
        return warning(found, "the keeper is at work on it", case.command(f"wait {service}"), lines=lines)
    if row.state is ServiceState.STOPPED:
        return warning(found, "the cluster is not complete", case.command("up"))
    if row.state is ServiceState.UNKNOWN:
        return warning(found, UNTOLD, "docker info", case.command(f"wait {service}"), lines=lines)
    mends = ("down",) if row.state is ServiceState.NOT_ENDED else (f"logs {service}", "up")
    why = MEANS.get(row.state, "the cluster is not complete")
    return error(found, why, *map(case.command, mends), lines=lines)


def _without_keeper(case: Case, service: str) -> Iterator[Finding]:
    handle = next((handle for handle in case.handles if handle.service == service), None)
    if handle is None or handle.one_shot or handle.done:
        return
    gone = [f"process (pid {handle.pid})"] if handle not in case.living else _missing(case, handle)
    if gone:
        yield error(
            f"the {' and the '.join(gone)} of {service} has ended",
            "no keeper is there to start it again",
            case.command("up"),
            case.command(f"logs {service}"),
            lines=log_lines(case, service),
        )


def _missing(case: Case, handle: Handle) -> list[str]:
    """The vital processes that are not there."""
    there = {process.comm for process in members.Scan().of(handle, case.paths.forks)}
    return [name for name in handle.vital if name not in there]


def log_lines(case: Case, service: str) -> list[str]:
    """The last lines of Ray's files that tell of trouble, then of the service's own log; each line once."""
    files = [(path.name, path) for path in _behind(case, service)] + [(service, case.paths.logs / f"{service}.log")]
    found: dict[str, str] = {}
    for label, path in files:
        for line in list(filter(alarms, tail(path, LOOKED_AT)))[-LINES_OF_EACH:]:
            found.setdefault(line, label)
    redact = Redaction(case.paths.secrets)
    return [f"{label} | {redact(line)[:LONGEST]}" for line, label in found.items()][:MOST_LINES]


def _behind(case: Case, service: str) -> Iterator[Path]:
    node = HEAD if service == SERVE else service
    folder = case.paths.ray_temp(f"{node}{slot_suffix(case.paths)}") / "session_latest" / "logs"
    for pattern in SERVE_LOGS if service == SERVE else RAY_LOGS:
        yield from sorted(folder.glob(pattern))


def fine(names: list[str]) -> Finding:
    """All of them are well."""
    return ok(f"ready: {', '.join(names)}" if names else "nothing runs")
