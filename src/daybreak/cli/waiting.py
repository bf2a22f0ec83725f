"""wait: until something is ready, or has stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from daybreak import api
from daybreak.cli.output import styled
from daybreak.errors import EXIT_TIMEOUT, DaybreakError, KeeperError, ServiceDied, UsageError
from daybreak.keeper import client
from daybreak.paths import ClusterPaths
from daybreak.spec import parse_seconds
from daybreak.timeline.board import FINE

FIRST_NAP_S = 0.02
LONGEST_NAP_S = 0.5

Snapshot = dict[str, Any]
Judge = Callable[[Snapshot], str | None]


class _Deadline(DaybreakError):
    exit_code = EXIT_TIMEOUT


def wait(name: str | None, target: str, timeout: str, stopped: bool) -> None:
    """Return when the target is there; raises after the deadline, or at once where it has failed for good."""
    try:
        timeout_s = parse_seconds(timeout)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from error
    paths = ClusterPaths.of(api.resolve_name(name))
    stopped = stopped or target == "stopped"
    judge = _judge("all" if target == "stopped" else target, stopped)
    began = time.monotonic()
    with _Line() as line:
        reason = _until(paths, judge, began + timeout_s, line)
    after_s = time.monotonic() - began
    what = f"{target} of {paths.name}" if target not in ("all", "stopped") else paths.name
    verb = "stopped" if stopped else "ready"
    if reason is not None:
        raise _Deadline(f"{what} is not {verb} after {after_s:.1f} s: {reason}", hint="daybreak status; daybreak logs")
    print(f"{what} is {verb} after {after_s:.2f} s", file=sys.stderr)


def _judge(target: str, stopped: bool) -> Judge:
    """A function from a snapshot to None (there) or to the reason why not yet."""

    def rows_of(snapshot: Snapshot) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = snapshot["services"]
        if target == "all":
            return rows
        if target == "workers":
            return [row for row in rows if row["name"].startswith("worker-")]
        # Where no application is configured, Ray itself being healthy is what `serve` can mean.
        wanted = "head" if target == "serve" and not any(row["name"] == "serve" for row in rows) else target
        return [row for row in rows if row["name"] == wanted]

    def judge(snapshot: Snapshot) -> str | None:
        rows = rows_of(snapshot)
        if stopped:
            left = [row["name"] for row in rows if row["state"] not in ("stopped", "completed", "failed")]
            return f"still there: {', '.join(left)}" if left else None
        if not rows:
            if snapshot["services"] and target not in ("all", "workers"):
                known = ", ".join(row["name"] for row in snapshot["services"])
                raise UsageError(f"cluster {snapshot['name']} has no service {target}", hint=f"it has: {known}")
            return None if snapshot["services"] else "the cluster is not running"
        for row in rows:
            if row["state"] == "failed" and not snapshot["run"]:
                raise ServiceDied(
                    f"{row['name']} failed: {row['reason']}",
                    service=row["name"],
                    tail=row.get("tail", ()),
                    hint=f"daybreak logs {row['name']}",
                )
        missing = [row for row in rows if row["state"] not in FINE or row["health"] == "unhealthy"]
        return "; ".join(map(_why, missing)) or None

    return judge


def _why(row: dict[str, Any]) -> str:
    """Why a service is not what is waited for."""
    if row["health"] == "unhealthy":
        return f"{row['name']} is unhealthy: {row['reason']}"
    return f"{row['name']} is {row['state']} {row['reason']}".strip()


def _until(paths: ClusterPaths, judge: Judge, deadline: float, line: _Line) -> str | None:
    """None when the judge is satisfied, else the last reason when the deadline has passed."""
    nap = FIRST_NAP_S
    reason: str | None = "the cluster is not running"
    while True:
        try:
            reason = _watch(paths, judge, deadline, line)
            if reason is None:
                return None
        except KeeperError:
            reason = judge(api.stopped_snapshot(paths))  # no keeper: nothing runs, or it will be started soon
            if reason is None and not client.anything_recorded(paths):
                return None
        if time.monotonic() >= deadline:
            return reason
        line.show(reason or "")
        time.sleep(min(nap, max(0.0, deadline - time.monotonic())))
        nap = min(nap * 2, LONGEST_NAP_S)


def _watch(paths: ClusterPaths, judge: Judge, deadline: float, line: _Line) -> str | None:
    """Follow a keeper's events; every one is a moment to look again."""
    start = client.anything_recorded(paths)
    with client.request(paths, "watch", start=start) as connection:
        connection.deadline(deadline)
        reason: str | None = "no answer from the keeper"
        try:
            for message in connection:
                snapshot = message.get("snapshot") or _snapshot(paths)
                reason = judge(snapshot)
                if reason is None:
                    return None
                line.show(reason)
        except TimeoutError:
            pass
        return reason


def _snapshot(paths: ClusterPaths) -> Snapshot:
    with client.request(paths, "status", start=False) as asking:
        found: Snapshot = asking.result()
        return found


class _Line:
    """One line on a terminal that is redrawn with the latest reason; silent elsewhere."""

    FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

    def __init__(self) -> None:
        self._live = styled()
        self._frame = 0

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *rest: object) -> None:
        if self._live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def show(self, reason: str) -> None:
        if self._live:
            self._frame += 1
            mark = self.FRAMES[self._frame % len(self.FRAMES)]
            print(f"\r\033[K{mark} waiting: {reason[:120]}", end="", file=sys.stderr, flush=True)
