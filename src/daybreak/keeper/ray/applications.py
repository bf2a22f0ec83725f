"""Asks Serve about once a second how its applications are, and whether its door answers; tells what has changed.

Nothing is done about what is found: Serve heals itself. That Serve cannot be asked is no fault of the applications.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from daybreak.backends.base import Backend
from daybreak.health.applications import STOPPING, Deployment, Serving
from daybreak.health.checks import attempt
from daybreak.health.serve_verdict import History, Verdict, judge
from daybreak.health.verdict import Ready, Short
from daybreak.keeper.background import Background
from daybreak.keeper.ray.serve_status import NO_CONTROLLER, TIMEOUT_S, ServeStatus
from daybreak.names import HEAD, SERVE
from daybreak.services.build import Cluster
from daybreak.services.ray.serve import door
from daybreak.services.ray.serve_routes import application_names
from daybreak.states import Health, ServiceState, worst
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.recorder import Recorder

INTERVAL_S = 1.0
# Between questions that get no answer the pause doubles up to this.
LONGEST_S = 8.0
# A door that is being reloaded may refuse once.
KNOCK_AGAIN_S = 0.25
# A replica that is replaced usually ends within some seconds.
LINGERS_S = 5.0
# So many questions without an answer, and what was told before counts no more.
MOST_MISSED = 2
NO_DASHBOARD = "only Ray's dashboard tells, and `dashboard: false` leaves it out"
ENDS = (Kind.STOPPING, Kind.STOPPED, Kind.STARTING, Kind.FAILED, Kind.EXITED)


class Applications:
    """Follows the applications while the service `serve` is ready."""

    def __init__(self, record: Recorder, background: Background, backend: Backend) -> None:
        self._record = record
        self._background = background
        self._backend = backend
        self._cluster: Cluster | None = None
        self._task: asyncio.Task[None] | None = None
        self._forget()

    def _forget(self) -> None:
        self._serving: Serving | None = None
        self._history = History()
        self._missed = 0
        self._unknown = ""
        self._closed = ""
        self._told: object = None
        # When each replica that is ending was first seen so; which of them have been told of.
        self._ending: dict[str, float] = {}
        self._lingering: set[str] = set()

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
        self._task = self._background.keep("following the applications", partial(self._watch, self._cluster), SERVE)

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
        status, pause_s = ServeStatus(cluster), INTERVAL_S
        while True:
            answer = await status.ask()
            pause_s = min(2 * pause_s, LONGEST_S) if isinstance(answer, str) else INTERVAL_S
            self._heard(answer)
            self._tell(cluster)
            await asyncio.sleep(pause_s)

    def _heard(self, answer: Serving | str) -> None:
        if isinstance(answer, Serving):
            self._serving, self._missed, self._unknown = answer, 0, ""
            self._history.add(answer, asyncio.get_running_loop().time())
            self._look_for_lingering(answer, asyncio.get_running_loop().time())
            return
        self._missed += 1
        if self._missed >= MOST_MISSED:
            self._serving = None
            self._unknown = answer if answer == NO_CONTROLLER else f"Ray's dashboard does not tell: {answer}"

    def _look_for_lingering(self, serving: Serving, now: float) -> None:
        """Replicas that end, but not at once, still answer what they had begun: that is told, once."""
        ending = {
            replica.id: deployment.name
            for app in serving.applications
            for deployment in app.deployments
            for replica in deployment.replicas
            if replica.state == STOPPING
        }
        self._ending = {replica: self._ending.get(replica, now) for replica in ending}
        new = {id for id, since in self._ending.items() if now - since > LINGERS_S} - self._lingering
        if new:
            self._lingering |= new
            names = ", ".join(sorted({ending[id] for id in new}))
            text = f"replicas that were replaced still answer what they had begun: {len(new)} of {names}"
            self._record.emit(Kind.NOTE, SERVE, text=text)

    # --- its door -----------------------------------------------------------------------------------------------------

    async def _knock_on(self, cluster: Cluster) -> None:
        """Twice in a row refused, or silent once, it is closed."""
        check = door(cluster.spec, cluster.site)
        if check is None:
            return
        service = next(one for one in cluster.services if one.name == SERVE)
        missed, loop = 0, asyncio.get_running_loop()
        while True:
            asked_s = loop.time()
            verdict = await attempt(check, service, self._backend, instance="", timeout_s=TIMEOUT_S)
            if isinstance(verdict, Short):
                await asyncio.sleep(INTERVAL_S)
                continue
            missed = 0 if isinstance(verdict, Ready) else missed + 1
            known = missed > 1 or loop.time() - asked_s >= TIMEOUT_S
            closed = verdict.reason if not isinstance(verdict, Ready) and known else ""
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
        if told == self._told or (status == ServiceState.UNKNOWN and not self._unknown):
            return
        self._told = told
        summaries = [_summary(app.to_json()) for app in applications]
        self._record.emit(Kind.SERVING, SERVE, status=status, reason=reason, applications=summaries)

    def _verdict(self, cluster: Cluster) -> tuple[str, str]:
        """The word and the reason: what Serve tells comes before what the door shows, where both are as bad."""
        closed = Verdict(Health.UNHEALTHY, self._closed) if self._closed else Verdict()
        if self._serving is None and self._unknown == NO_CONTROLLER:
            return worst((closed.health, closed.reason), (Health.DEGRADED, NO_CONTROLLER))
        if self._serving is None:
            return (closed.health, closed.reason) if self._closed else (ServiceState.UNKNOWN, self._unknown)
        now = asyncio.get_running_loop().time()
        told = judge(self._serving, self._history, now, application_names(cluster.spec, cluster.site))
        return worst((told.health, told.reason), (closed.health, closed.reason))


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
