"""Whether requests are answered at the moment in which somebody asks for the status.

Health checks come every few seconds, and what they told last may no longer be so. So the two that every request passes
are asked when the status is: the gateway, and Serve's door behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping
from dataclasses import replace

from daybreak.backends.base import Backend
from daybreak.backends.process.limits import lacking
from daybreak.health.checks import attempt
from daybreak.health.verdict import NotYet, Short
from daybreak.keeper.followers import Followers
from daybreak.keeper.gateway.counts import usual_silence_s
from daybreak.keeper.gateway.runtime_socket import GatewaySilent, command
from daybreak.keeper.gateway.under_way import unanswered
from daybreak.names import GATEWAY, SERVE
from daybreak.services.build import Cluster
from daybreak.services.edge.gateway import runtime_socket
from daybreak.services.ray.serve import door
from daybreak.services.service import Service
from daybreak.states import WELL, Health, ServiceState
from daybreak.timeline.status import ServiceStatus

# HAProxy answers a command within a millisecond, also where it has much to do.
GATEWAY_S = 0.5
# A door that is overloaded may take as long: then the gateway tells of requests that were answered meanwhile.
DOOR_S = 1.0
RECENT_MS = 500
# So many requests that wait for so long, while nobody gets an answer, are more than a few that take long.
MANY, LATE_S = 10, 1.0


class Answering:
    """One cluster's."""

    def __init__(self, followers: Followers, backend: Backend) -> None:
        self._followers = followers
        self._backend = backend

    async def wrongs(self) -> dict[str, str]:
        """Why services do not answer now that their rows call well."""
        cluster = self._followers.desired.cluster
        if cluster is None:
            return {}
        found = await asyncio.gather(self._gateway(cluster), self._serving(cluster), self._silence(cluster))
        return {name: why for one in reversed(found) for name, why in one.items()}

    def _well(self, name: str) -> bool:
        row = self._followers.board.rows.get(name)
        return row is not None and row.state is ServiceState.READY and row.health in WELL

    async def _gateway(self, cluster: Cluster) -> dict[str, str]:
        """Requests that wait in it say that nobody answers, unless they are to wait."""
        steering = self._followers.gateway
        if not steering.there or not self._well(GATEWAY):
            return {}
        try:
            said = await command(runtime_socket(cluster.site), "gateway waiting", timeout_s=GATEWAY_S)
        except GatewaySilent as silent:
            # What the keeper itself lacks says nothing about the gateway.
            return {} if silent.__cause__ and lacking(silent.__cause__) else {GATEWAY: silent.message}
        waits = said.isdecimal() and int(said) and steering.pauses.now is None and self._well(SERVE)
        return {SERVE: f"requests wait in the gateway: {said}"} if waits else {}

    async def _serving(self, cluster: Cluster) -> dict[str, str]:
        check = door(cluster.spec, cluster.site)
        if check is None or not self._well(SERVE):
            return {}
        said = await attempt(check, _serve_of(cluster), self._backend, instance="", timeout_s=DOOR_S)
        traffic = self._followers.traffic
        answered = 0 <= traffic.now_ms() - traffic.answered_ms <= RECENT_MS
        if answered or not isinstance(said, NotYet) or isinstance(said, Short):
            return {}
        return {SERVE: said.reason}

    async def _silence(self, cluster: Cluster) -> dict[str, str]:
        """A door may answer while the applications do not: then requests wait for longer than it is usual."""
        traffic = self._followers.traffic
        silent_s = (traffic.now_ms() - traffic.answered_ms) / 1000
        if silent_s < LATE_S or not self._followers.gateway.there or not self._well(SERVE):
            return {}
        usual_s = usual_silence_s(traffic.applications.values(), traffic.now_ms() // 1000)
        least_s = max(LATE_S, math.inf if usual_s is None else usual_s)
        if silent_s < least_s:
            return {}
        with contextlib.suppress(GatewaySilent):  # that is told by who asks it how many wait
            ages_s = await unanswered(runtime_socket(cluster.site), GATEWAY_S)
            count = sum(age_s >= least_s for age_s in ages_s)
            # Others that came since then get nothing either: those are not some that were sent together, and take long.
            if count >= MANY and min(ages_s) <= least_s / 2:
                return {SERVE: f"{count} requests wait for more than {least_s:.2g} s, and none was answered meanwhile"}
        return {}


def _serve_of(cluster: Cluster) -> Service:
    return next(one for one in cluster.services if one.name == SERVE)


def told(rows: tuple[ServiceStatus, ...], wrongs: Mapping[str, str]) -> tuple[ServiceStatus, ...]:
    """The rows with what is wrong now, where they do not tell of anything worse."""
    return tuple(
        replace(row, health=Health.FAILING, reason=wrongs[row.name])
        if row.name in wrongs and row.state is ServiceState.READY and row.health in WELL
        else row
        for row in rows
    )
