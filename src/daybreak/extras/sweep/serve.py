"""What Serve says of its replicas, and when they have settled."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daybreak.extras.sweep.result import Replicas
from daybreak.health.applications import RUNNING, read
from daybreak.naps import naps

TIMEOUT_S = 5.0
# Replicas that have not changed for this long have settled.
STEADY_S = 3.0
# Those that have been wanted in vain for this long will not come: there is no room for them.
STUCK_S = 10.0
# How long replicas may take to settle, after a change of workers and under the load.
SETTLE_DEADLINE_S = 60.0
# The dashboard's part that knows Serve may still be starting.
ASK_DEADLINE_S = 15.0
NAP_S = 0.25


@dataclass(frozen=True)
class ServeState:
    """All applications at one moment. `moving`: replicas start or stop, or run on a node that is gone."""

    replicas: tuple[Replicas, ...]
    moving: bool
    complete: bool


def read_state(raw: Mapping[str, Any], alive: frozenset[str] | None = None) -> ServeState:
    """From the answer of the dashboard's `/api/serve/applications/`; `alive` are ids of nodes, None if not known."""
    found: list[Replicas] = []
    moving = False
    for application in read(raw).applications:
        for one in application.deployments:
            gone = alive is not None and any(replica.node and replica.node not in alive for replica in one.replicas)
            moving = moving or gone or any(replica.state != RUNNING for replica in one.replicas)
            found.append(Replicas(one.name, one.running, one.wanted, one.autoscaled))
    complete = all(one.running >= one.target for one in found)
    return ServeState(tuple(sorted(found, key=lambda one: one.deployment)), moving, complete)


class Settling:
    """Watches states until they stay the same. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._last: ServeState | None = None
        self._since = 0.0

    def settled(self, state: ServeState, now: float) -> bool:
        """Whether the replicas are steady, given one more look at them."""
        if state != self._last:
            self._last, self._since = state, now
        quiet_s = now - self._since
        return quiet_s >= (STEADY_S if state.complete and not state.moving else STUCK_S)


class Dashboard:
    """The dashboard's REST API, asked with Ray's token where there is one."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._token = token
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def knows(self) -> bool:
        """Whether it tells of replicas, now or soon."""
        return any(self.state() for _ in naps(time.monotonic() + ASK_DEADLINE_S, longest_s=NAP_S))

    def state(self) -> ServeState | None:
        """Serve's replicas now; None where the dashboard does not say."""
        raw = self._get("/api/serve/applications/")
        if not isinstance(raw, dict) or "applications" not in raw:
            return None
        return read_state(raw, self._alive())

    def _alive(self) -> frozenset[str] | None:
        raw = self._get("/api/v0/nodes?limit=1000")
        try:
            rows = raw["data"]["result"]["result"]
            return frozenset(row["node_id"] for row in rows if row["state"] == "ALIVE")
        except (KeyError, TypeError):
            return None

    def _get(self, path: str) -> Any:
        # Ray 2.20 fails on a request that does not say what it comes from.
        request = urllib.request.Request(self._url + path, headers={"User-Agent": "daybreak"})
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None


def settle(dashboard: Dashboard | None, least_s: float) -> tuple[ServeState | None, bool]:
    """Wait until the replicas stay as they are, for `least_s` at least; returns them, and whether they do."""
    began = time.monotonic()
    settling, state, steady = Settling(), None, dashboard is None
    for _ in naps(began + max(least_s, SETTLE_DEADLINE_S), first_s=NAP_S, longest_s=NAP_S):
        if dashboard:
            state = dashboard.state() or state
            steady = state is not None and settling.settled(state, time.monotonic())
        if steady and time.monotonic() - began >= least_s:
            break
    return state, steady
