"""A service that is not well, as the keeper or /proc shows it, with the lines of its logs that say why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daybreak.backends import procfs
from daybreak.backends.base import Handle
from daybreak.doctor.case import Case
from daybreak.doctor.finding import Finding, error, note, ok, warning
from daybreak.health.tail import tail
from daybreak.redact import Redaction
from daybreak.services.ray import HEAD, SERVE
from daybreak.timeline.board import FINE

MOST_LINES = 12
LINES_OF_EACH = 3
LOOKED_AT = 400
LONGEST = 240
# `[2026-11-25 10:28:47,351 E 29830 29855] (raylet) ...`, `2026-11-25 10:28:56,280 ERROR ...`, `ValueError: ...`
ALARMING = re.compile(r"^\[[\d\- :,.]+ [ECF] |\b(ERROR|CRITICAL|FATAL)\b|^[A-Za-z_][\w.]*(Error|Exception|Died)\b")
ON_ITS_WAY = ("waiting", "preparing", "starting", "stopping")
RAY_LOGS = (
    "gcs_server.out",
    "gcs_server.err",
    "raylet.out",
    "raylet.err",
    "dashboard_agent.log",
    "runtime_env_agent.log",
    "dashboard.log",
)
SERVE_LOGS = ("serve/*.log",)


def look_at(case: Case, service: str) -> Iterator[Finding]:
    """What is wrong with one service of a cluster of which something runs; nothing where all is well."""
    row = case.rows.get(service)
    if row is None:
        yield from _without_keeper(case, service)
    elif row["state"] not in FINE or row["health"] == "unhealthy":
        yield _unwell(case, row)
    elif row["health"] == "degraded":
        yield warning(
            f"{service} is degraded: {row['reason']}",
            "it answers, with less than it is to have",
            case.command(f"logs {service}"),
            lines=log_lines(case, service),
        )
    elif row["health"] == "failing":
        yield warning(
            f"{service} fails its checks: {row['reason']}",
            "it is replaced when it goes on",
            case.command(f"logs {service}"),
            lines=log_lines(case, service),
        )
    elif row["restarts"]:
        yield note(
            f"{service} was started again {row['restarts']} times after it had ended",
            "what ended once may end again",
            case.command(f"logs {service}"),
        )


def _unwell(case: Case, row: Mapping[str, Any]) -> Finding:
    """What is under way is no error yet."""
    service = row["name"]
    what = "unhealthy" if row["state"] == "ready" else row["state"]
    found = f"{service} is {what}" + (f": {row['reason']}" if row["reason"] else "")
    lines = [*row.get("tail", ()), *log_lines(case, service)][:MOST_LINES]
    if row["state"] in ON_ITS_WAY or (case.snapshot and case.snapshot["run"]):
        return warning(found, "the keeper is at work on it", case.command(f"wait {service}"), lines=lines)
    if row["state"] == "stopped":
        return warning(found, "the cluster is not complete", case.command("up"))
    return error(
        found,
        "the keeper tries it again and again" if row["state"] == "backing-off" else "the cluster is not complete",
        case.command(f"logs {service}"),
        case.command("up"),
        lines=lines,
    )


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
    forks = [pid for pid, fork in procfs.forks(case.paths.forks).items() if fork.instance == handle.instance]
    members = procfs.members(handle.instance, handle.pid, handle.started_ticks, forks=forks)
    there = {process.comm for process in members}
    return [name for name in handle.vital if name not in there]


def log_lines(case: Case, service: str) -> list[str]:
    """The last lines of Ray's files that tell of trouble, then of the service's own log; each line once."""
    files = [(path.name, path) for path in _behind(case, service)] + [(service, case.paths.logs / f"{service}.log")]
    found: dict[str, str] = {}
    for label, path in files:
        for line in _alarming(path):
            found.setdefault(line, label)
    redact = Redaction(case.paths.secrets)
    return [f"{label} | {redact(line)[:LONGEST]}" for line, label in found.items()][:MOST_LINES]


def _behind(case: Case, service: str) -> Iterator[Path]:
    node = HEAD if service == SERVE else service
    folder = case.paths.ray_temp(node) / "session_latest" / "logs"
    for pattern in SERVE_LOGS if service == SERVE else RAY_LOGS:
        yield from sorted(folder.glob(pattern))


def _alarming(path: Path) -> list[str]:
    """Errors of Ray's C++ parts by their level, of Python by the word or the last line of a traceback; newest last."""
    return [line for line in tail(path, LOOKED_AT) if ALARMING.search(line)][-LINES_OF_EACH:]


def fine(names: list[str]) -> Finding:
    """All of them are well."""
    return ok(f"ready: {', '.join(names)}" if names else "nothing runs")
