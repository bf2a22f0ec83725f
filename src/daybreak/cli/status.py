"""daybreak status, once or as it changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.output import print_json
from daybreak.cli.versions import words
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths
from daybreak.show.alerts import firing_lines, trouble_lines
from daybreak.show.hosts import host_lines
from daybreak.show.kept import kept_line
from daybreak.show.pause import pause_line
from daybreak.show.text import ago, harmless, in_two_columns, plural
from daybreak.show.traffic import traffic_lines
from daybreak.states import BY_YOU, ClusterState, PageState, ServiceState
from daybreak.timeline.status import ServiceStatus, Snapshot

# More deployments than this do not fit on a screen beside the services.
MOST_DEPLOYMENTS = 12


@click.command()
@options.name
@options.as_json
@click.option("-w", "--watch", is_flag=True, help="Keep showing changes as they happen.")
def status(name: str | None, as_json: bool, watch: bool) -> None:
    """Show what runs, how well, and where it answers."""
    if watch:
        _watch(api.resolve_name(name), as_json)
        return
    cluster = api.status(name)
    if as_json:
        print_json(cluster.raw)
    else:
        show(cluster.snapshot)
        if cluster.state is ClusterState.STOPPED:
            from daybreak.cli.common.elsewhere import tell_others

            tell_others(cluster.name)


def show(snapshot: Snapshot) -> None:
    """The snapshot as a table of plain, aligned columns."""
    print("\n".join(table(snapshot, time.time())))


def table(snapshot: Snapshot, now: float) -> list[str]:
    """Lines: the cluster, one line per service, where it answers."""
    head = f"{snapshot.name}: {snapshot.state}"
    if snapshot.state is ClusterState.STOPPED and not snapshot.services:
        return [head, *_last_failure(snapshot, now)]
    if snapshot.pause:
        head += ", paused"
    lines = [f"{head}  (Ray {snapshot.ray}, generation {snapshot.generation}, keeper {snapshot.keeper_pid})"]
    rows: list[tuple[str, ...]] = [("SERVICE", "TIER", "STATE", "HEALTH", "PID", "UP", "RESTARTS", "")]
    rows += [_row(row, now) for row in snapshot.services]
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    lines += ["  ".join([*map(str.ljust, row[:7], widths), row[7]]).rstrip() for row in rows]
    for row in snapshot.services:
        lines += [f"  {row.name} | {text}" for text in row.tail]
    lines += host_lines(snapshot.hosts)
    lines += _applications(snapshot.serving)
    lines += traffic_lines(snapshot.traffic)
    lines += [f"{'version':<12} {words(snapshot.version)}"] if snapshot.version else []
    lines += [f"{'kept':<12} {kept_line(snapshot.kept)}: `daybreak rollback` returns to it"] if snapshot.kept else []
    lines += in_two_columns(snapshot.urls)
    if snapshot.pause:
        lines.append(f"{'paused':<12} {pause_line(snapshot.pause, now)}")
    if snapshot.page.state is PageState.FAILED:
        lines.append(f"{'page':<12} not served: {snapshot.page.reason}")
    lines += [f"{service:<12} {why}" for service, why in snapshot.absent.items()]
    lines += [f"{'alert':<12} {line}" for line in firing_lines(snapshot.alerts, now)]
    lines += [f"{'alerts':<12} {line}" for line in trouble_lines(snapshot.alerts)]
    lines += [f"{'note':<12} {text}" for text in snapshot.notes]
    return [harmless(line) for line in lines]


def _row(row: ServiceStatus, now: float) -> tuple[str, ...]:
    up_s = now - row.started if row.started and row.state is ServiceState.READY else None
    pid = str(row.pid or "-")
    if row.state is ServiceState.STOPPED and row.reason == BY_YOU:
        return (row.name, row.tier, f"{row.state} ({BY_YOU})", "-", pid, "-", str(row.restarts), "")
    return (row.name, row.tier, row.state, row.health or "-", pid, _age(up_s), str(row.restarts), row.reason)


def _applications(serving: Mapping[str, Any]) -> list[str]:
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


def _last_failure(snapshot: Snapshot, now: float) -> list[str]:
    """Why nothing runs, where the last run failed."""
    failed = snapshot.last_failure
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
                _redraw(Snapshot.from_json(snapshot))


def _redraw(snapshot: Snapshot) -> None:
    if sys.stdout.isatty():
        print("\033[H\033[2J", end="")
    show(snapshot)
