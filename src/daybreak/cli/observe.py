"""status, once or as it changes."""

from __future__ import annotations

import time
from typing import Any

from daybreak import api
from daybreak.cli.output import print_json
from daybreak.errors import DaybreakError
from daybreak.keeper import client
from daybreak.paths import ClusterPaths
from daybreak.report.text import ago, plural

# More deployments than this do not fit on a screen beside the services.
MOST_DEPLOYMENTS = 12


def status(name: str | None, as_json: bool, watch: bool) -> None:
    """Show what runs now, or go on showing it."""
    if watch:
        _watch(api.resolve_name(name), as_json)
        return
    cluster = api.status(name)
    if as_json:
        print_json(cluster.raw)
    else:
        show(cluster.raw)
        if cluster.state == "stopped":
            from daybreak.cli.clusters import tell_others

            tell_others(cluster.name)


def page(name: str | None, token: bool, as_json: bool) -> None:
    """Print where the page is; with `token` an address that logs in once."""
    found = api.page(name, login=token)
    if as_json:
        print_json(found)
    elif found["state"] == "listening":
        print(found["login"] or found["url"])
    else:
        hint = "switch it on in the spec" if found["state"] == "off" else "free the port, or choose another: ports.page"
        raise DaybreakError(f"the page is not served: {found['reason'] or 'it is switched off'}", hint=hint)


def show(snapshot: dict[str, Any] | Any) -> None:
    """The snapshot as a table of plain, aligned columns."""
    print("\n".join(table(snapshot, time.time())))


def table(snapshot: dict[str, Any] | Any, now: float) -> list[str]:
    """Lines: the cluster, one line per service, where it answers."""
    head = f"{snapshot['name']}: {snapshot['state']}"
    if snapshot["state"] == "stopped" and not snapshot["services"]:
        return [head, *_last_failure(snapshot, now)]
    lines = [f"{head}  (Ray {snapshot['ray']}, generation {snapshot['generation']}, keeper {snapshot['keeper_pid']})"]
    rows = [("SERVICE", "TIER", "STATE", "HEALTH", "PID", "UP", "RESTARTS", "")]
    for row in snapshot["services"]:
        up_s = now - row["started"] if row["started"] and row["state"] == "ready" else None
        rows.append(
            (
                row["name"],
                row["tier"],
                row["state"],
                row["health"] or "-",
                str(row["pid"] or "-"),
                _age(up_s),
                str(row["restarts"]),
                row["reason"],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    for row in rows:
        lines.append(
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[7]]).rstrip()
        )
    for row in snapshot["services"]:
        lines += [f"  {row['name']} | {text}" for text in row.get("tail", [])]
    lines += _applications(snapshot.get("serving") or {})
    lines += [f"{service:<12} {url}" for service, url in snapshot["urls"].items()]
    page = snapshot.get("page", {})  # an older keeper tells none
    if page.get("state") == "failed":
        lines.append(f"{'page':<12} not served: {page['reason']}")
    lines += [f"{service:<12} {why}" for service, why in snapshot.get("absent", {}).items()]
    lines += [f"{'note':<12} {text}" for text in snapshot.get("notes", ())]
    return lines


def _applications(serving: dict[str, Any]) -> list[str]:
    """What Serve tells of each deployment; where there are many, those that are well are only counted."""
    if serving.get("unknown"):
        return [f"{'applications':<12} not known: {serving['unknown']}"]
    found = [(app, one) for app in serving.get("applications", ()) for one in app["deployments"]]
    shown = [(app, one) for app, one in found if len(found) <= MOST_DEPLOYMENTS or not _well(one)][:MOST_DEPLOYMENTS]
    if not found:
        return []
    rows = [("APPLICATION", "DEPLOYMENT", "SERVE SAYS", "REPLICAS", "")]
    for app, one in shown:
        count = f"{one['running']}/{one['wanted']}"
        rows.append((app["name"], one["name"], one["status"], count, one["message"]))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join([*map(str.ljust, row[:4], widths), row[4]]).rstrip() for row in rows]
    left = len(found) - len(shown)
    return [*lines, f"and {plural(left, 'deployment')} more: see --json"] if left else lines


def _well(deployment: dict[str, Any]) -> bool:
    return bool(deployment["status"] == "HEALTHY" and deployment["running"] >= deployment["wanted"])


def _last_failure(snapshot: dict[str, Any], now: float) -> list[str]:
    """Why nothing runs, where the last run failed."""
    failed = snapshot.get("last_failure")
    if not failed:
        return []
    when = ago(failed["wall"], now)
    return [f"the last {failed['kind']} failed {when}: {failed['error'] or 'without a reason'}", "hint: daybreak logs"]


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"


def _watch(name: str, as_json: bool) -> None:
    """Print a snapshot at every change until the keeper ends or Ctrl-C."""
    paths = ClusterPaths.of(name)
    api.status(name)  # a killed keeper is started again
    with client.request(paths, "watch", start=False) as connection:
        for message in connection:
            snapshot = message.get("snapshot")
            if snapshot is None:
                with client.request(paths, "status", start=False) as asking:
                    snapshot = asking.result()
            if as_json:
                print_json({**snapshot, "event": message.get("event")})
            else:
                _redraw(snapshot)


def _redraw(snapshot: dict[str, Any]) -> None:
    import sys

    if sys.stdout.isatty():
        print("\033[H\033[2J", end="")
    show(snapshot)
