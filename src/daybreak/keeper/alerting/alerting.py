"""What is wrong with one cluster: looked for all the time, told once when it begins and once when it is over.

The keeper does it by itself, whatever else watches the cluster. Nothing here is waited for by an operation.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from daybreak.keeper.alerting.alert import Alert, Status, Subject, What, in_words, trial
from daybreak.keeper.alerting.book import AlertBook
from daybreak.keeper.alerting.conditions import (
    Crashes,
    Disk,
    Losses,
    measure,
    of_disks,
    of_hosts,
    of_runs,
    of_services,
)
from daybreak.keeper.alerting.destinations import Destination, destinations
from daybreak.keeper.alerting.holding import Holding
from daybreak.keeper.alerting.telling import Telling
from daybreak.keeper.background import Background
from daybreak.keeper.runner import Runner
from daybreak.keeper.wanted.desired import Desired
from daybreak.paths import ClusterPaths
from daybreak.redact import Redaction
from daybreak.services.build import Cluster
from daybreak.services.service import Run
from daybreak.timeline.board import Board
from daybreak.timeline.event import Event, Kind, RunKind
from daybreak.timeline.recorder import Recorder
from daybreak.timeline.status import ServiceStatus

LOOK_S = 1.0
DISK_EVERY_S = 30.0
# Who asks for one of these ends and starts services on purpose.
CHANGES = frozenset(RunKind) - {RunKind.RECOVERY}
COUNTED = (Kind.RUN_BEGAN, Kind.EXITED, Kind.FAILED, Kind.RUN_ENDED)
STOPPED = "the cluster was stopped"


class Alerting:
    """One cluster's."""

    def __init__(
        self,
        paths: ClusterPaths,
        desired: Desired,
        board: Board,
        runner: Runner,
        record: Recorder,
        background: Background,
    ) -> None:
        self._paths = paths
        self._desired = desired
        self._board = board
        self._runner = runner
        self._record = record
        self._background = background
        self._book = AlertBook(paths.alerts)
        kept = self._book.load()
        self.firing: dict[Subject, Alert] = {alert.subject: alert for alert in kept.firing}
        self.telling = Telling(background, record, self._destinations, self._save, kept.waiting)
        # What has scheduled services tells it: which one's last run has failed, and how.
        self.failed_runs: Callable[[], Mapping[str, str]] = dict
        # What looks after other machines tells it how each of them is.
        self.hosts: Callable[[], Sequence[Mapping[str, Any]]] = list
        self._cluster: Cluster | None = None
        self._looks = False
        self._forget()

    def _forget(self) -> None:
        self._holding, self._crashes, self._losses = Holding(), Crashes(), Losses()
        self._disks: Mapping[str, Disk] = {}

    def begin(self) -> None:
        """Look for it from now on."""
        self._background.every(LOOK_S, "looking for what is wrong", self.look)
        # By itself: a disk that does not answer holds up nothing else.
        self._background.every(DISK_EVERY_S, "looking how full the disks are", self.measure)

    def want(self, cluster: Cluster) -> None:
        """This is what is looked at from now on, and its spec says who is told."""
        self._cluster = cluster
        if not self._looks:
            self._looks = True
            self._remember()
            self.telling.begin()

    def _remember(self) -> None:
        """What an earlier keeper has counted is over no sooner because it has gone."""
        now, wall = asyncio.get_running_loop().time(), time.time()
        for subject, alert in self.firing.items():
            if subject.what is What.CRASH_LOOP:
                self._crashes.remember(subject.name, now)
            elif subject.what is What.LOST_REQUESTS:
                self._losses.remember(alert.reason, now, passed_s=wall - alert.since)

    def follow(self, event: Event) -> None:
        """Count what ends, and what a run has cost."""
        if event.kind in COUNTED:
            now = asyncio.get_running_loop().time()
            self._crashes.follow(event, now)
            self._losses.follow(event, now)

    def end(self) -> None:
        """The cluster was stopped: nothing of it is wrong any more."""
        self._looks = False
        for subject in list(self.firing):
            self._tell(self.firing.pop(subject), Status.RESOLVED, over=STOPPED)
        self._forget()
        self.telling.end()

    async def measure(self) -> None:
        """How full the disks are."""
        folders: list[Path] = [self._paths.root, self._paths.data, self._paths.runtime]
        self._disks = await asyncio.to_thread(measure, folders)

    async def look(self) -> None:
        """Tell what has begun, and what has ended."""
        if self._cluster is None or not self._looks:
            return
        now = asyncio.get_running_loop().time()
        found = self._crashes.wrong(now) | self._losses.wrong(now) | of_disks(self._disks, self.firing)
        news = self._holding.judge(
            found | of_services(self._looked_after()) | of_runs(self.failed_runs()) | of_hosts(self.hosts()),
            self.firing,
            now=now,
            wall=time.time(),
            after_s=self._cluster.spec.alerts.after,
            # After a change that failed, and before the first one, nobody brings services back either.
            on_purpose=self._desired.before() is None or self._runner.kind in CHANGES,
        )
        for subject, reason, since in news.begun:
            shown = in_words(Redaction(self._paths.secrets)(reason))
            alert = Alert(os.urandom(6).hex(), subject, shown, since)
            self.firing[subject] = alert
            self._tell(alert, Status.FIRING)
        for subject in news.ended:
            self._tell(self.firing.pop(subject), Status.RESOLVED)

    def _looked_after(self) -> list[ServiceStatus]:
        """What the user has stopped is not wrong, nor is what waits for its time."""
        left = set(self._desired.state.stopped if self._desired.state else ())
        left |= {one.name for one in self._cluster.services if one.run is Run.TIMED} if self._cluster else set()
        return [row for name, row in self._board.rows.items() if name not in left]

    def _tell(self, alert: Alert, status: Status, over: str = "") -> None:
        """In the timeline, and to everybody who is to know."""
        now = time.time()
        self.telling.tell(alert.message(self._paths.name, status, now=now, over=over))
        self._save()
        if self.telling.destinations():
            level = "error" if status is Status.FIRING else "info"
            self._record.emit(Kind.NOTE, text=f"alert {status}: {alert.line(status, now=now, over=over)}", level=level)

    async def try_once(self) -> list[dict[str, Any]]:
        """Send something that says of itself that it is a test; what became of it, for each destination."""
        return await self.telling.try_once(trial().message(self._paths.name, Status.TEST, now=time.time()))

    def to_json(self) -> dict[str, Any]:
        """What fires, oldest first, and who is told of it."""
        firing = sorted(self.firing.values(), key=lambda alert: (alert.since, alert.subject))
        return {"firing": [alert.to_json() for alert in firing], "destinations": self.telling.to_json()}

    def _destinations(self) -> Mapping[str, Destination]:
        if self._cluster is None:
            return {}
        spec, site = self._cluster.spec, self._cluster.site
        return destinations(spec.alerts, Path(site.base), self._desired.environment)

    def _save(self) -> None:
        self._book.save(self.firing.values(), self.telling.waiting)
