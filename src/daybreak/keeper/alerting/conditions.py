"""What is wrong now: with services, with what has happened to them lately, with disks."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybreak.keeper.alerting.alert import Subject, What
from daybreak.names import DATABASES, HEAD, SERVE
from daybreak.services.service import Tier
from daybreak.services.watching.alerts import CRASHES as MOST_CRASHES
from daybreak.services.watching.alerts import FULL
from daybreak.show.text import size
from daybreak.states import FINE, HOSTS_NOT_WELL, Health
from daybreak.timeline.event import Event, Kind, RunKind
from daybreak.timeline.receipt import Receipt
from daybreak.timeline.status import ServiceStatus

CRASHES_WITHIN_S = 600.0
# Nobody is told for ever of one restart.
LOST_FOR_S = 900.0
# A disk around the limit is not told again and again.
NOT_FULL = FULL - 0.02
# These last as long as `alerts.after` says before they are told: services come back by themselves.
DOWN = frozenset([What.HEAD_DOWN, What.SERVE_UNHEALTHY, What.DATABASE_DOWN, What.SERVICE_DOWN, What.HOST_DOWN])
Wrong = dict[Subject, str]


# --- services ---------------------------------------------------------------------------------------------------------


def of_services(rows: Iterable[ServiceStatus]) -> Wrong:
    """Those that are down or unhealthy, with why. While the head is down nobody needs to hear of what hangs on it."""
    found = {_subject(row): why for row in rows if row.tier != Tier.WARM and (why := _why(row))}
    tiers = {row.name: row.tier for row in rows}
    if Subject(What.HEAD_DOWN, HEAD) not in found:
        return found
    return {one: why for one, why in found.items() if one.what is not What.SERVICE_DOWN or tiers[one.name] != Tier.APP}


def _subject(row: ServiceStatus) -> Subject:
    if row.name in DATABASES:
        return Subject(What.DATABASE_DOWN, row.name)
    known = {HEAD: What.HEAD_DOWN, SERVE: What.SERVE_UNHEALTHY}
    return Subject(known.get(row.name, What.SERVICE_DOWN), row.name)


def _why(row: ServiceStatus) -> str:
    """Empty where it is as it should be."""
    if row.state not in FINE:
        return f"{row.state}: {row.reason}" if row.reason else str(row.state)
    return row.reason or "unhealthy" if row.health is Health.UNHEALTHY else ""


def of_runs(failed: Mapping[str, str]) -> Wrong:
    """Scheduled services whose last run has failed, until one goes well."""
    return {Subject(What.RUN_FAILED, name): how for name, how in failed.items()}


def of_hosts(rows: Iterable[Mapping[str, Any]]) -> Wrong:
    """Other machines that are not heard of, or have nodes that are given up, also while it is tried again. One that has
    left was let go."""
    return {
        Subject(What.HOST_DOWN, str(row["name"])): ": ".join(filter(None, (str(row["state"]), str(row["reason"]))))
        for row in rows
        if row["state"] in HOSTS_NOT_WELL or row.get("failed")
    }


# --- what has happened ------------------------------------------------------------------------------------------------


class Crashes:
    """How often each service has ended by itself, or failed to come back, within the last ten minutes. Times are the
    event loop's."""

    def __init__(self) -> None:
        self._at: dict[str, deque[float]] = {}

    def follow(self, event: Event, now: float) -> None:
        """Whoever changes the cluster begins anew."""
        if event.kind is Kind.RUN_BEGAN and event.data.get("run_kind") != RunKind.RECOVERY:
            self._at.clear()
        elif event.service and event.kind in (Kind.EXITED, Kind.FAILED):
            self._at.setdefault(event.service, deque(maxlen=2 * MOST_CRASHES)).append(now)

    def remember(self, service: str, now: float) -> None:
        """An earlier keeper has counted enough of them."""
        self._at[service] = deque([now] * (MOST_CRASHES + 1), maxlen=2 * MOST_CRASHES)

    def wrong(self, now: float) -> Wrong:
        found: Wrong = {}
        for service, times in self._at.items():
            recent = sum(now - at <= CRASHES_WITHIN_S for at in times)
            if recent > MOST_CRASHES:
                found[Subject(What.CRASH_LOOP, service)] = f"{recent} times within ten minutes"
        return found


class Losses:
    """The last run that has lost requests; over with one that has not, or after a while."""

    def __init__(self) -> None:
        self._reason = ""
        self._until = 0.0

    def follow(self, event: Event, now: float) -> None:
        raw = event.data.get("receipt") if event.kind is Kind.RUN_ENDED else None
        if raw:
            receipt = Receipt.from_json(raw)
            what = f"{receipt.failed:,} of {receipt.requests:,} requests failed"
            self._reason = f"{what} while the cluster was changed" if receipt.failed else ""
            self._until = now + LOST_FOR_S

    def remember(self, reason: str, now: float, *, passed_s: float) -> None:
        """An earlier keeper has told of it; the clock may have been set back since."""
        self._reason, self._until = reason, now + LOST_FOR_S - max(0.0, passed_s)

    def wrong(self, now: float) -> Wrong:
        return {Subject(What.LOST_REQUESTS): self._reason} if self._reason and now < self._until else {}


# --- disks ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Disk:
    """What is left of a file system, and its size, in bytes."""

    free: int
    total: int

    @property
    def used(self) -> float:
        return 1 - self.free / self.total if self.total else 0.0


def measure(folders: Sequence[Path]) -> dict[str, Disk]:
    """Each file system once, by the first folder that is on it. Blocks."""
    found: dict[int, tuple[str, Disk]] = {}
    for folder in folders:
        try:
            number, left = os.stat(folder).st_dev, os.statvfs(folder)
        except OSError:
            continue
        # What only root may use is not left for us.
        disk = Disk(left.f_bavail * left.f_frsize, left.f_blocks * left.f_frsize)
        found.setdefault(number, (str(folder), disk))
    return dict(found.values())


def of_disks(disks: Mapping[str, Disk], told: Collection[Subject]) -> Wrong:
    """Those that are nearly full; of what was `told` those that are not much emptier yet."""
    found: Wrong = {}
    if not disks:  # not measured yet, since the keeper is new
        return {subject: "not known now" for subject in told if subject.what is What.DISK_NEARLY_FULL}
    for folder, disk in disks.items():
        subject = Subject(What.DISK_NEARLY_FULL, folder)
        if disk.used > (NOT_FULL if subject in told else FULL):
            found[subject] = f"{disk.used:.0%} are used, {size(disk.free)} of {size(disk.total)} are left"
    return found
