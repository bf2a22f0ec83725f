"""What the template of a cluster is given: every word and number, ready to be written. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daybreak.names import SERVE
from daybreak.show.page.event_text import clean, or_nothing, sentence, stamp, tone
from daybreak.show.page.history_view import AWAITED
from daybreak.show.text import ago, plural
from daybreak.states import BAD, FINE, ON_ITS_WAY, WELL, ClusterState, Health, ServiceState
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.phases import text
from daybreak.timeline.run import Run
from daybreak.timeline.status import ServiceStatus, Snapshot

# In this order, and with these words, tiers stand in the table.
TIERS = {
    "app": "Ray and applications",
    "data": "Databases",
    "edge": "Gateway",
    "observe": "Observation",
    "warm": "Warm start",
}
TONES = {
    ClusterState.READY: "good",
    ClusterState.STARTING: "busy",
    ClusterState.STOPPING: "busy",
    ClusterState.DEGRADED: "bad",
}
TITLES = {
    SERVE: "Application",
    "dashboard": "Ray dashboard",
    "prometheus": "Prometheus",
    "grafana": "Grafana",
}
OF_RUN = (Kind.RUN_BEGAN, Kind.RUN_ENDED)
# Workers that are all well stand in one line from this number on.
MANY_WORKERS = 9
MANY_DEPLOYMENTS = 12
MOST_DEPLOYMENTS = 100


@dataclass(frozen=True)
class ServiceRow:
    """One line of the table of services."""

    name: str
    tone: str
    state: str
    health: str
    reason: str
    started_in: str
    up: str
    pid: str
    restarts: int
    has_log: bool
    tail: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """A tier, with its services. `workers` are those that stand behind one line."""

    tier: str
    title: str
    rows: tuple[ServiceRow, ...]
    workers: tuple[ServiceRow, ...]


@dataclass(frozen=True)
class EventLine:
    """One line of the list of events. `key` tells it from every other."""

    key: str
    at: str
    when: str
    service: str
    text: str
    tone: str
    of_run: bool


@dataclass(frozen=True)
class DeploymentRow:
    """One line of the table of deployments."""

    key: str
    name: str
    tone: str
    status: str
    running: int
    wanted: int
    reason: str


@dataclass(frozen=True)
class AlertLine:
    """Something that is wrong and was told; `when` it began."""

    key: str
    title: str
    reason: str
    at: str
    when: str


@dataclass(frozen=True)
class Link:
    """Where something answers; `there` is False while it does not."""

    title: str
    url: str
    there: bool


def headline(snapshot: Snapshot) -> tuple[str, str]:
    """The cluster's state in a sentence, and its tone."""
    rows = snapshot.services
    if snapshot.run:
        moving = sum(row.state in ON_ITS_WAY for row in rows)
        doing = {"startup": "starting", "stop": "stopping", "change": "changing", "recovery": "recovering"}
        word = doing.get(snapshot.run, f"{snapshot.run}ing")
        left = f", {plural(moving, 'service')} to go" if moving else ""
        return f"{word}{left}", "busy"
    bad = [row.name for row in rows if row.state in BAD or row.health not in WELL]
    if bad:
        names = ", ".join(bad[:3]) + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")
        return f"degraded: {names}", "bad"
    if snapshot.pause:
        return "paused: " + ("requests get a page" if snapshot.pause.page else "requests wait"), "busy"
    return snapshot.state, TONES.get(snapshot.state, "idle")


def crashes(exits: Sequence[Event], runs: Sequence[Run], now: float) -> dict[str, str]:
    """The last crash of each service since people last started or restarted the cluster, in words."""
    since = max((run.began_wall for run in runs if run.kind in AWAITED), default=0.0)
    return {
        event.service: clean(f"crashed {ago(event.wall, now)}: {text(event.data.get('reason'))}")
        for event in exits
        if event.service and event.wall > since
    }


def groups(
    snapshot: Snapshot, logs: Sequence[str], now: float, crashes: Mapping[str, str] | None = None
) -> list[Group]:
    """The services by tier; one that runs again tells of its last crash."""
    made = []
    known = {row.tier for row in snapshot.services}
    for tier in [*TIERS, *sorted(known - set(TIERS))]:
        of_tier = [row for row in snapshot.services if row.tier == tier]
        rows = [_service(row, logs, now, (crashes or {}).get(row.name, "")) for row in of_tier]
        workers = [made for made, row in zip(rows, of_tier, strict=True) if row.group]
        many = len(workers) >= MANY_WORKERS and all(row.tone == "good" for row in workers)
        folded = tuple(workers) if many else ()
        if rows:
            made.append(Group(tier, TIERS.get(tier, tier), tuple(row for row in rows if row not in folded), folded))
    return made


def _service(row: ServiceStatus, logs: Sequence[str], now: float, crash: str) -> ServiceRow:
    state, health = row.state, row.health
    passed = f"passed {', '.join(row.passed)}; " if row.passed and state is ServiceState.STARTING else ""
    return ServiceRow(
        name=row.name,
        tone=_tone(state, health),
        state=state,
        health=health if health not in WELL else "",
        reason=clean(f"{passed}{row.reason}".removesuffix("; ")) or (crash if state is ServiceState.READY else ""),
        started_in=or_nothing(row.ready_after_s) if state is ServiceState.READY else "",
        up=_age(now - _begun(row)) if state is ServiceState.READY and row.started else "",
        pid=str(row.pid or ""),
        restarts=row.restarts,
        has_log=row.name in logs,
        tail=tuple(clean(line) for line in row.tail),
    )


def _begun(row: ServiceStatus) -> float:
    """When a ready service was started: what is known of its process is looked up only at the end of a run."""
    started = row.started or 0.0
    return started if row.ready_after_s is None else max(started, row.since - row.ready_after_s)


def _tone(state: ServiceState, health: Health) -> str:
    if state in BAD or health is Health.UNHEALTHY:
        return "bad"
    if state in ON_ITS_WAY or health in (Health.FAILING, Health.DEGRADED):
        return "busy"
    return "good" if state in FINE else "idle"


def _age(passed_s: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if passed_s >= size:
            return f"{passed_s / size:.0f} {unit}"
    return f"{max(0.0, passed_s):.0f} s"


def deployments(snapshot: Snapshot) -> list[DeploymentRow]:
    """What Serve tells of each deployment; of many those first that are not well."""
    found = [
        _deployment(app["name"], one) for app in snapshot.serving.get("applications", ()) for one in app["deployments"]
    ]
    if len(found) > MANY_DEPLOYMENTS:
        found.sort(key=lambda row: row.tone == "good")
    return found[:MOST_DEPLOYMENTS]


def _deployment(application: str, one: Mapping[str, Any]) -> DeploymentRow:
    wrong = one["status"] in ("UNHEALTHY", "DEPLOY_FAILED")
    well = one["status"] == "HEALTHY" and one["running"] >= one["wanted"]
    return DeploymentRow(
        key=f"deployment {application}/{one['name']}",
        name=clean(one["name"] if application == "default" else f"{application} / {one['name']}"),
        tone="bad" if wrong else "good" if well else "busy",
        status=clean(one["status"]),
        running=one["running"],
        wanted=one["wanted"],
        reason=clean(one["message"]),
    )


def alerts(snapshot: Snapshot, now: float) -> list[AlertLine]:
    """What fires, oldest first."""
    return [
        AlertLine(
            f"alert {one['id']}",
            clean(one["title"]),
            clean(one["reason"]),
            clock(one["since"], now),
            stamp(one["since"]),
        )
        for one in snapshot.alerts.get("firing", ())
    ]


def links(snapshot: Snapshot, routes: Sequence[str]) -> list[Link]:
    """Where the cluster answers besides this page; what a browser can open. Applications answer on `routes`."""
    found = []
    for row in snapshot.services:
        there = row.state is ServiceState.READY
        for name, url in row.urls.items():
            title = TITLES.get(name, name)
            if name == SERVE:
                names = {route: title if route == "/" else f"{title} {route}" for route in routes or ("/",)}
                found += [Link(words, url + route, there) for route, words in names.items()]
            elif url.startswith("http"):
                found.append(Link(title, url, there))
    return found


def event_lines(events: Sequence[Event], now: float) -> list[EventLine]:
    """Events, newest first."""
    return [event_line(event, now) for event in reversed(events)]


def event_line(event: Event, now: float) -> EventLine:
    key = f"{event.wall:.6f}-{event.kind}-{event.service}"
    return EventLine(
        key,
        clock(event.wall, now),
        stamp(event.wall),
        event.service or "",
        sentence(event),
        tone(event),
        event.kind in OF_RUN,
    )


def clock(wall: float, now: float) -> str:
    """The time of day; with the date where that is another one than today's."""
    today = time.localtime(now)[:3] == time.localtime(wall)[:3]
    return time.strftime("%H:%M:%S" if today else "%d %b %H:%M", time.localtime(wall))
