"""daybreak wait: until something is ready, or has stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import click

from daybreak import api
from daybreak.cli.common import complete, options
from daybreak.cli.common.durations import seconds_of
from daybreak.cli.common.moving_line import MovingLine
from daybreak.errors import EXIT_TIMEOUT, DaybreakError, KeeperError, ServiceDied, UsageError
from daybreak.keeper.control import client
from daybreak.naps import naps
from daybreak.paths import ClusterPaths
from daybreak.states import BY_YOU, FINE, ClusterState, Health, ServiceState
from daybreak.timeline.status import ServiceStatus, Snapshot

LONGEST_NAP_S = 0.5
STOPPED = str(ClusterState.STOPPED)  # as a target
OVER = (ServiceState.STOPPED, ServiceState.COMPLETED, ServiceState.FAILED)

Judge = Callable[[Snapshot], str | None]


class _Deadline(DaybreakError):
    exit_code = EXIT_TIMEOUT


@click.command()
@click.argument("target", default="all", shell_complete=complete.target)
@click.option("-t", "--timeout", default="120s", show_default=True, help="Deadline, such as 90s.")
@click.option("--stopped", is_flag=True, help="Wait until the target has stopped.")
@options.name
def wait(name: str | None, target: str, timeout: str, stopped: bool) -> None:
    """Wait until TARGET is ready, or has stopped. Exit code 3 after the deadline.

    TARGET is head, serve, workers, a service's name, stopped, or all (the default).

    \b
    Examples:
      daybreak wait serve --timeout 60s
      daybreak wait head --stopped
      daybreak wait stopped
    """
    timeout_s = seconds_of("--timeout", timeout)
    paths = ClusterPaths.of(api.resolve_name(name))
    stopped = stopped or target == STOPPED
    judge = _judge("all" if target == STOPPED else target, stopped)
    began = time.monotonic()
    with MovingLine() as line:
        reason = _until(paths, judge, began + timeout_s, line)
    after_s = time.monotonic() - began
    what = f"{target} of {paths.name}" if target not in ("all", STOPPED) else paths.name
    verb = STOPPED if stopped else ClusterState.READY
    if reason is not None:
        raise _Deadline(f"{what} is not {verb} after {after_s:.1f} s: {reason}", hint="daybreak status; daybreak logs")
    print(f"{what} is {verb} after {after_s:.2f} s", file=sys.stderr)


def _judge(target: str, stopped: bool) -> Judge:
    """A function from a snapshot to None (there) or to the reason why not yet."""

    def rows_of(snapshot: Snapshot) -> Sequence[ServiceStatus]:
        rows = snapshot.services
        if target == "all":
            return [row for row in rows if row.reason != BY_YOU]
        if target == "workers":
            return [row for row in rows if row.group]
        # Where no application is configured, Ray itself being healthy is what `serve` can mean.
        wanted = "head" if target == "serve" and not any(row.name == "serve" for row in rows) else target
        return [row for row in rows if row.name == wanted]

    def judge(snapshot: Snapshot) -> str | None:
        rows = rows_of(snapshot)
        if stopped:
            left = [row.name for row in rows if row.state not in OVER]
            return f"still there: {', '.join(left)}" if left else None
        if not rows:
            if snapshot.services and target not in ("all", "workers"):
                known = ", ".join(row.name for row in snapshot.services)
                raise UsageError(f"cluster {snapshot.name} has no service {target}", hint=f"it has: {known}")
            return None if snapshot.services else "the cluster is not running"
        for row in rows:
            if row.state is ServiceState.FAILED and not snapshot.run:
                raise ServiceDied(
                    f"{row.name} failed: {row.reason}",
                    service=row.name,
                    tail=row.tail,
                    hint=f"daybreak logs {row.name}",
                )
        missing = [row for row in rows if row.state not in FINE or row.health is Health.UNHEALTHY]
        return "; ".join(map(_why, missing)) or None

    return judge


def _why(row: ServiceStatus) -> str:
    """Why a service is not what is waited for."""
    if row.health is Health.UNHEALTHY:
        return f"{row.name} is unhealthy: {row.reason}"
    return f"{row.name} is {row.state} {row.reason}".strip()


def _until(paths: ClusterPaths, judge: Judge, deadline: float, line: MovingLine) -> str | None:
    """None when the judge is satisfied, else the last reason when the deadline has passed."""
    reason: str | None = "the cluster is not running"
    for _ in naps(deadline, longest_s=LONGEST_NAP_S):
        try:
            reason = _watch(paths, judge, deadline, line)
            if reason is None:
                return None
        except KeeperError:
            reason = judge(
                Snapshot(paths.name, ClusterState.STOPPED)
            )  # no keeper: nothing runs, or it will be started soon
            if reason is None and not client.anything_recorded(paths):
                return None
        line.show(f"waiting: {reason}")
    return reason


def _watch(paths: ClusterPaths, judge: Judge, deadline: float, line: MovingLine) -> str | None:
    """Follow a keeper's events; every one is a moment to look again."""
    start = client.anything_recorded(paths)
    with client.request(paths, "watch", start=start) as connection:
        connection.set_deadline(deadline)
        reason: str | None = "no answer from the keeper"
        try:
            for message in connection:
                told = message.get("snapshot")
                reason = judge(Snapshot.from_json(told) if told else _snapshot(paths))
                if reason is None:
                    return None
                line.show(f"waiting: {reason}")
        except TimeoutError:
            pass
        return reason


def _snapshot(paths: ClusterPaths) -> Snapshot:
    with client.request(paths, "status", start=False) as asking:
        return Snapshot.from_json(asking.result())
