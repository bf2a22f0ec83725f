"""Asks Serve about once a second how its applications are, and whether its door answers; tells what has changed.

Nothing is done about what is found: Serve heals itself. That Serve cannot be asked is no fault of the applications.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daybreak.backends import procfs
from daybreak.backends.base import Backend
from daybreak.health import http
from daybreak.health.applications import ENDED, HALTED, RUNNING, Deployment, Serving, as_seen, read
from daybreak.health.checks import Ready, attempt
from daybreak.health.serving import History, Verdict, Word, judge, worst
from daybreak.keeper.page import Cluster
from daybreak.redact import Redaction
from daybreak.services.ray import HEAD, SERVE, dashboard_health_url, dashboard_url, token
from daybreak.services.serve import application_names, door
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.recorder import Recorder

INTERVAL_S = 1.0
# Between questions that get no answer the pause doubles up to this.
LONGEST_S = 8.0
TIMEOUT_S = 5.0
# A door that is being reloaded may refuse once.
KNOCK_AGAIN_S = 0.25
# So many questions without an answer, and what was told before counts no more.
MOST_MISSED = 2
MOST_BYTES = 8 * 1024 * 1024
PATH = "/api/serve/applications/"
UNKNOWN = "unknown"
# What the dashboard answers where Serve's controller fails it.
CONTROLLER_SILENT = 503
NO_CONTROLLER = "Serve's controller does not answer: nothing is scaled, or started anew"
NO_DASHBOARD = "only Ray's dashboard tells, and `dashboard: false` leaves it out"
ENDS = (Kind.STOPPING, Kind.STOPPED, Kind.STARTING, Kind.FAILED, Kind.EXITED)
log = logging.getLogger(__name__)


class Applications:
    """Follows the applications while the service `serve` is ready."""

    def __init__(self, record: Recorder, backend: Backend) -> None:
        self._record = record
        self._backend = backend
        self._cluster: Cluster | None = None
        self._redact: Callable[[str], str] = str
        self._task: asyncio.Task[None] | None = None
        self._forget()

    def _forget(self) -> None:
        self._serving: Serving | None = None
        self._history = History()
        self._missed = 0
        self._unknown = ""
        self._closed = ""
        self._told: object = None
        self._seen: set[int] = set()

    def want(self, cluster: Cluster | None) -> None:
        """Ask about this cluster from the next time on that its applications are ready."""
        self._cluster = cluster

    def follow(self, event: Event) -> None:
        """Begin when the applications are ready, end when they, or the head, go."""
        if event.service == SERVE and event.kind in (Kind.READY, Kind.ADOPTED) and event.data.get("ready", True):
            self._begin()
        elif event.service in (SERVE, HEAD) and event.kind in ENDS:
            self.close()

    def close(self) -> None:
        """Ask no more, and forget what was told."""
        if self._task:
            self._task.cancel()
            self._task = None
            self._forget()

    def to_json(self) -> dict[str, Any]:
        """`applications` as Serve tells them; `unknown` says why nobody knows, where they are not known."""
        found = self._serving.applications if self._serving else ()
        return {"unknown": self._unknown, "applications": [one.to_json() for one in found]}

    def _begin(self) -> None:
        self.close()
        if self._cluster is None:
            return
        self._redact = Redaction(Path(self._cluster.site.secrets_folder))
        self._task = asyncio.create_task(self._watch(self._cluster), name="applications")
        self._task.add_done_callback(_log_failure)

    async def _watch(self, cluster: Cluster) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask_on(cluster), name="asking Serve")
            group.create_task(self._knock_on(cluster), name="knocking at Serve's door")

    # --- Serve's own word ---------------------------------------------------------------------------------------------

    async def _ask_on(self, cluster: Cluster) -> None:
        if not cluster.spec.dashboard:
            self._unknown = NO_DASHBOARD
            self._tell(cluster)
            return
        pause_s = INTERVAL_S
        while True:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    answer = await self._ask(cluster)
            except TimeoutError:
                answer = await self._whose_silence(cluster)
            except OSError as error:
                answer = error.strerror or str(error)
            except Exception as error:  # an answer of another shape: the next Ray's
                log.exception("the dashboard's answer cannot be read")
                answer = f"its answer cannot be read: {error}"
            pause_s = min(2 * pause_s, LONGEST_S) if isinstance(answer, str) else INTERVAL_S
            self._heard(answer)
            self._tell(cluster)
            await asyncio.sleep(pause_s)

    async def _ask(self, cluster: Cluster) -> Serving | str:
        """What Serve tells, or why it does not."""
        secret = token(cluster.site)
        given = Path(secret.path).read_text().strip() if secret else None
        answer = await http.get(dashboard_url(cluster.spec) + PATH, token=given, most_bytes=MOST_BYTES)
        if answer.status == CONTROLLER_SILENT:
            return NO_CONTROLLER
        if answer.status != http.OK:
            return f"it answers {answer.status}"
        serving = read(json.loads(self._redact(answer.text)), cluster.site.base)
        # A container's process numbers are not this machine's.
        return serving if cluster.site.engine else as_seen(serving, self._state_of)

    def _state_of(self, pid: int) -> str:
        """What a replica's process shows. One that was never seen may be of another namespace."""
        found = procfs.read(pid)
        if found is None or found.zombie:
            return ENDED if pid in self._seen else RUNNING
        self._seen.add(pid)
        return HALTED if found.state == "T" else RUNNING

    async def _whose_silence(self, cluster: Cluster) -> str:
        """The dashboard's, or that of Serve's controller, whom it asks: then it answers other questions."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if (await http.get(dashboard_health_url(cluster.spec))).status == http.OK:
                    return NO_CONTROLLER
        except (TimeoutError, OSError):
            pass
        return f"no answer within {TIMEOUT_S:g} s"

    def _heard(self, answer: Serving | str) -> None:
        if isinstance(answer, Serving):
            self._serving, self._missed, self._unknown = answer, 0, ""
            self._history.add(answer, asyncio.get_running_loop().time())
            return
        self._missed += 1
        if self._missed >= MOST_MISSED:
            self._serving = None
            self._unknown = answer if answer == NO_CONTROLLER else f"Ray's dashboard does not tell: {answer}"

    # --- its door -----------------------------------------------------------------------------------------------------

    async def _knock_on(self, cluster: Cluster) -> None:
        """Twice in a row unanswered, it is closed."""
        check = door(cluster.spec, cluster.site)
        if check is None:
            return
        service = next(one for one in cluster.services if one.name == SERVE)
        missed = 0
        while True:
            verdict = await attempt(check, service, self._backend, instance="", timeout_s=TIMEOUT_S)
            missed = 0 if isinstance(verdict, Ready) else missed + 1
            closed = verdict.reason if not isinstance(verdict, Ready) and missed > 1 else ""
            if closed != self._closed and (closed or not missed):
                self._closed = closed
                self._tell(cluster)
            await asyncio.sleep(KNOCK_AGAIN_S if missed == 1 else INTERVAL_S)

    # --- what it means ------------------------------------------------------------------------------------------------

    def _tell(self, cluster: Cluster) -> None:
        """One event where something is another than it was."""
        status, reason = self._verdict(cluster)
        applications = self._serving.applications if self._serving else ()
        words = [(app.name, app.status, [_told_of(one) for one in app.deployments]) for app in applications]
        told = (status, reason, words)
        if told == self._told or (status == UNKNOWN and not self._unknown):
            return
        self._told = told
        summaries = [_summary(app.to_json()) for app in applications]
        self._record.emit(Kind.SERVING, SERVE, status=status, reason=reason, applications=summaries)

    def _verdict(self, cluster: Cluster) -> tuple[str, str]:
        """The word and the reason: what Serve tells comes before what the door shows, where both are as bad."""
        closed = Verdict(Word.UNHEALTHY, self._closed) if self._closed else Verdict()
        if self._serving is None and self._unknown == NO_CONTROLLER:
            return worst((closed.word, closed.reason), (Word.DEGRADED, NO_CONTROLLER))
        if self._serving is None:
            return (closed.word, closed.reason) if self._closed else (UNKNOWN, self._unknown)
        now = asyncio.get_running_loop().time()
        told = judge(self._serving, self._history, now, application_names(cluster.spec, cluster.site))
        return worst((told.word, told.reason), (closed.word, closed.reason))


def _log_failure(task: asyncio.Task[None]) -> None:
    """Nobody waits for the task: what ended it must not go unseen."""
    if not task.cancelled() and (error := task.exception()):
        log.error("the applications are not followed any more", exc_info=error)


def _told_of(deployment: Deployment) -> tuple[str, str, int]:
    """What of a deployment is worth an event when it changes: not every replica that comes while it is scaled."""
    return deployment.name, deployment.status, deployment.wanted


def _summary(application: dict[str, Any]) -> dict[str, Any]:
    """What the timeline keeps: replicas come and go."""
    deployments = [
        {key: one[key] for key in ("name", "status", "wanted", "running", "message")}
        for one in application["deployments"]
    ]
    return {"name": application["name"], "status": application["status"], "deployments": deployments}
