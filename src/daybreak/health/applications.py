"""The Serve applications as Serve itself tells them. Pure: from the dashboard's answer to values.

The answer is that of `GET /api/serve/applications/`, which Ray documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from daybreak.programs.deploy.frames import Explanation, explain

RUNNING, STOPPING = "RUNNING", "STOPPING"
# It takes requests until another one runs on a node that stays.
MOVING = "PENDING_MIGRATION"
# Ours: Serve takes a replica for a running one until its own checks have failed, which takes seconds to minutes.
HALTED = "HALTED"
ENDED = "ENDED"
MOST_CHARACTERS = 200
# "... has 1 replicas that have taken more than 30s to be scheduled. ... Resources required for each replica: {...},
# total resources available: {...}. ..."
NO_ROOM = re.compile(
    r"has (?P<count>\d+) replicas.* scheduled\..*required for each replica: (?P<each>\[?\{.*?\}\]?), "
    r"(?:total )?resources available: (?P<free>\{.*?\})",
    re.DOTALL,
)


@dataclass(frozen=True)
class Replica:
    """One replica. `state` is Serve's word, HALTED or ENDED; `pid` is a process of its node, None while it has none."""

    id: str
    state: str
    pid: int | None
    node: str | None


@dataclass(frozen=True)
class Deployment:
    """One deployment. `status` is Serve's, `message` its cause in one line with what `lines` add to it; `wanted` is how
    many replicas it is to have now."""

    name: str
    status: str
    message: str
    wanted: int
    autoscaled: bool
    lines: tuple[str, ...]
    replicas: tuple[Replica, ...]

    @property
    def running(self) -> int:
        """How many replicas take requests."""
        return sum(replica.state in (RUNNING, MOVING) for replica in self.replicas)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "status": self.status,
            "wanted": self.wanted,
            "running": self.running,
            "message": self.message,
            "lines": list(self.lines),
            "replicas": [asdict(one) for one in self.replicas],
        }


@dataclass(frozen=True)
class Application:
    """One application; `message` is one line, `route` is None where it has none, or not yet."""

    name: str
    route: str | None
    status: str
    message: str
    deployments: tuple[Deployment, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "route": self.route,
            "status": self.status,
            "message": self.message,
            "deployments": [deployment.to_json() for deployment in self.deployments],
        }


@dataclass(frozen=True)
class Serving:
    """Everything that Serve tells at one moment; `proxies` are its proxies' states by node."""

    applications: tuple[Application, ...] = ()
    proxies: Mapping[str, str] | None = None


def read(raw: Mapping[str, Any], base: str = "") -> Serving:
    """From the dashboard's answer; `base` is the application's folder. What another Ray leaves out reads as empty."""
    applications = [_application(name, given, base) for name, given in _items(raw.get("applications"))]
    proxies = {node: str(given.get("status", "")) for node, given in _items(raw.get("proxies"))}
    return Serving(tuple(sorted(applications, key=lambda one: one.name)), proxies)


def _items(given: Any) -> list[tuple[str, Mapping[str, Any]]]:
    return [(str(key), value) for key, value in (given or {}).items() if isinstance(value, Mapping)]


def _application(name: str, given: Mapping[str, Any], base: str) -> Application:
    deployments = [_deployment(key, value, base) for key, value in _items(given.get("deployments"))]
    return Application(
        name,
        given.get("route_prefix"),
        str(given.get("status", "")),
        cause(str(given.get("message") or ""), base).reason,
        tuple(sorted(deployments, key=lambda one: one.name)),
    )


def _deployment(name: str, given: Mapping[str, Any], base: str) -> Deployment:
    config = given.get("deployment_config") or {}
    replicas = tuple(
        Replica(str(one.get("replica_id")), str(one.get("state")), one.get("pid"), one.get("node_id"))
        for one in given.get("replicas") or ()
    )
    # Ray 2.20 tells the number that is wanted in the configuration alone.
    wanted = next(
        (value for value in (given.get("target_num_replicas"), config.get("num_replicas")) if isinstance(value, int)),
        len(replicas),
    )
    told = cause(str(given.get("message") or ""), base)
    return Deployment(
        name=name,
        status=str(given.get("status", "")),
        message=told.reason,
        wanted=wanted,
        autoscaled=config.get("autoscaling_config") is not None,
        lines=tuple(told.lines),
        replicas=replicas,
    )


def as_seen(serving: Serving, state_of: Callable[[int], str]) -> Serving:
    """The same, where replicas that run by Serve's word have the state that their process shows (from its pid)."""

    def seen(one: Replica) -> Replica:
        return replace(one, state=state_of(one.pid)) if one.state == RUNNING and one.pid is not None else one

    def deployment(one: Deployment) -> Deployment:
        return replace(one, replicas=tuple(map(seen, one.replicas)))

    applications = (replace(one, deployments=tuple(map(deployment, one.deployments))) for one in serving.applications)
    return replace(serving, applications=tuple(applications))


@lru_cache(maxsize=64)
def cause(message: str, base: str = "") -> Explanation:
    """What a message of Serve's says in one line: what was raised, else its first sentence. Paths are below `base`."""
    text = message.strip()
    told = explain(text, base)
    if told:
        return told
    room = NO_ROOM.search(text)
    if room:
        word = "replica finds" if room["count"] == "1" else "replicas find"
        return Explanation(
            _short(f"{room['count']} {word} no room: each needs {room['each']}, free is {room['free']}"), []
        )
    rest = text.partition("Error:\n")[2] or text
    first = next((line.strip() for line in rest.splitlines() if line.strip()), "")
    return Explanation(_short(re.split(r"(?<=[a-z\])}])\. (?=[A-Z])", first)[0].rstrip(".")), [])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 3]}..."
