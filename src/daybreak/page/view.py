"""What the templates are given: every word and number, ready to be written. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daybreak.page.words import clean, sentence, tone
from daybreak.report.text import ABSENT, ago, plural, seconds
from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.run import Run
from daybreak.timeline.stats import Advice, Measure, Summary, Trend, summarise

# In this order, and with these words, tiers stand in the table.
TIERS = {
    "app": "Ray and applications",
    "data": "Databases",
    "edge": "Gateway",
    "observe": "Observation",
    "warm": "Warm start",
}
BUSY = ("waiting", "preparing", "starting", "stopping")
BAD = ("failed", "crashed", "backing-off")
TITLES = {
    "serve": "Application",
    "dashboard": "Ray dashboard",
    "prometheus": "Prometheus",
    "grafana": "Grafana",
}
STARTS = (RunKind.STARTUP, RunKind.RESTART, RunKind.CHANGE, RunKind.RECOVERY)
# Their first response is what people wait for.
AWAITED = (RunKind.STARTUP, RunKind.RESTART)
MEASURES: dict[Measure, str] = {"first_response_s": "first response", "duration_s": "total"}
OF_RUN = (Kind.RUN_BEGAN, Kind.RUN_ENDED)
MOST_COLUMNS = 40
LEAST_COLUMNS = 16
# Workers that are all well stand in one line from this number on.
MANY_WORKERS = 9


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
class Column:
    """One run in the picture of a group; `x`, `width` and `height` in percent."""

    run: int
    x: float
    width: float
    height: float
    outlier: bool
    words: str


@dataclass(frozen=True)
class HistoryGroup:
    """Runs that compare with each other."""

    title: str
    measure: str
    count: int
    median: str
    low: str
    high: str
    spread: str
    trend: str
    left_out: str
    columns: tuple[Column, ...]
    median_y: float
    advice: tuple[Advice, ...]


@dataclass(frozen=True)
class RunLine:
    """One line of the list of runs."""

    id: int
    when: str
    at: str
    kind: str
    workers: int
    start: str
    outcome: str
    tone: str
    response: str
    total: str
    outlier: bool
    error: str


@dataclass(frozen=True)
class Link:
    """Where something answers; `there` is False while it does not."""

    title: str
    url: str
    there: bool


def headline(snapshot: Mapping[str, Any]) -> tuple[str, str]:
    """The cluster's state in a sentence, and its tone."""
    rows = snapshot["services"]
    if snapshot["run"]:
        moving = sum(row["state"] in BUSY for row in rows)
        doing = {"startup": "starting", "stop": "stopping", "change": "changing", "recovery": "recovering"}
        word = doing.get(snapshot["run"], f"{snapshot['run']}ing")
        left = f", {plural(moving, 'service')} to go" if moving else ""
        return f"{word}{left}", "busy"
    bad = [row["name"] for row in rows if row["state"] in BAD or row["health"] not in ("", "healthy")]
    if bad:
        names = ", ".join(bad[:3]) + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")
        return f"degraded: {names}", "bad"
    tones = {"ready": "good", "starting": "busy", "stopping": "busy", "degraded": "bad"}
    return snapshot["state"], tones.get(snapshot["state"], "idle")


def groups(snapshot: Mapping[str, Any], logs: Sequence[str], now: float) -> list[Group]:
    """The services by tier."""
    made = []
    known = {row["tier"] for row in snapshot["services"]}
    for tier in [*TIERS, *sorted(known - set(TIERS))]:
        rows = [_service(row, logs, now) for row in snapshot["services"] if row["tier"] == tier]
        workers = [row for row in rows if row.name.startswith("worker-")]
        many = len(workers) >= MANY_WORKERS and all(row.tone == "good" for row in workers)
        folded = tuple(workers) if many else ()
        if rows:
            made.append(Group(tier, TIERS.get(tier, tier), tuple(row for row in rows if row not in folded), folded))
    return made


def _service(row: Mapping[str, Any], logs: Sequence[str], now: float) -> ServiceRow:
    state, health = row["state"], row["health"]
    there = state in ("ready", "starting") and row["started"]
    passed = f"passed {', '.join(row['passed'])}; " if row["passed"] and state == "starting" else ""
    return ServiceRow(
        name=row["name"],
        tone=_tone(state, health),
        state=state,
        health=health if health not in ("", "healthy") else "",
        reason=clean(f"{passed}{row['reason']}".removesuffix("; ")),
        started_in=_or_nothing(row["ready_after_s"]) if state == "ready" else "",
        up=_age(now - row["started"]) if there else "",
        pid=str(row["pid"] or ""),
        restarts=row["restarts"],
        has_log=row["name"] in logs,
        tail=tuple(clean(line) for line in row.get("tail", ())),
    )


def _tone(state: str, health: str) -> str:
    if state in BAD or health == "unhealthy":
        return "bad"
    if state in BUSY or health == "failing":
        return "busy"
    return "good" if state == "ready" else "idle"


def _age(passed_s: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if passed_s >= size:
            return f"{passed_s / size:.0f} {unit}"
    return f"{max(0.0, passed_s):.0f} s"


def links(snapshot: Mapping[str, Any], routes: Sequence[str]) -> list[Link]:
    """Where the cluster answers besides this page; what a browser can open. Applications answer on `routes`."""
    found = []
    for row in snapshot["services"]:
        there = row["state"] == "ready"
        for name, url in row["urls"].items():
            title = TITLES.get(name, name)
            if name == "serve":
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


def stamp(wall: float) -> str:
    """For programs: ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(wall))


def newest_start(runs: Sequence[Run]) -> Run | None:
    """The run whose chart is shown: the newest that started something."""
    return next((run for run in runs if run.kind in STARTS), None)


def summaries(runs: Sequence[Run]) -> list[Summary]:
    """The groups of comparable runs: by their first response where they have one, else by their whole length."""
    found = []
    for kind in STARTS:
        measure: Measure = "first_response_s" if kind in AWAITED else "duration_s"
        of_kind = [run for run in runs if run.kind is kind]
        if not any(getattr(run, measure) is not None for run in of_kind):
            measure = "duration_s"
        found += [summary for summary in summarise(of_kind, measure) if summary.count]
    return found


def history_group(summary: Summary) -> HistoryGroup:
    """One group in words, and its picture."""
    recent = summary.samples[-MOST_COLUMNS:]
    top_s = max((sample.value_s for sample in recent), default=0.0) or 1.0
    step = 100 / max(LEAST_COLUMNS, len(recent))
    columns = tuple(
        Column(
            run=sample.run,
            x=round(place * step, 3),
            width=round(step * 0.7, 3),
            height=round(100 * sample.value_s / top_s, 2),
            outlier=sample.run in summary.outliers,
            words=f"run {sample.run}: {seconds(sample.value_s)}{', outlier' if sample.run in summary.outliers else ''}",
        )
        for place, sample in enumerate(recent)
    )
    counts = ((summary.failed, "failed"), (summary.interrupted, "interrupted"))
    sign = "+" if (summary.slope_s_per_run or 0) >= 0 else ""
    slope = f" ({sign}{seconds(summary.slope_s_per_run)} per run)" if summary.slope_s_per_run is not None else ""
    return HistoryGroup(
        title=f"{summary.kind}, {plural(summary.workers, 'worker')}, {'warm' if summary.warm else 'cold'}",
        measure=MEASURES[summary.measure],
        count=summary.count,
        median=seconds(summary.median_s),
        low=seconds(summary.min_s),
        high=seconds(summary.max_s),
        spread=seconds(summary.mad_s),
        trend="" if summary.trend is Trend.UNKNOWN else f"{summary.trend}{slope}",
        left_out=", ".join(f"{count} {word}" for count, word in counts if count),
        columns=columns,
        median_y=round(100 - 100 * (summary.median_s or 0.0) / top_s, 2),
        advice=summary.advice,
    )


def run_lines(runs: Sequence[Run], outliers: frozenset[int], now: float) -> list[RunLine]:
    """The list of runs, in the order given."""
    tones = {Outcome.OK: "good", Outcome.RUNNING: "busy", Outcome.FAILED: "bad", Outcome.INTERRUPTED: "idle"}
    return [
        RunLine(
            id=run.id,
            when=ago(run.began_wall, now),
            at=stamp(run.began_wall),
            kind=str(run.kind),
            workers=run.workers,
            start="warm" if run.warm else "cold",
            outcome=str(run.outcome),
            tone=tones[run.outcome],
            response=_or_nothing(run.first_response_s),
            total=_or_nothing(run.duration_s),
            outlier=run.id in outliers,
            error=clean(run.error or ""),
        )
        for run in runs
    ]


def _or_nothing(value_s: float | None) -> str:
    found = seconds(value_s)
    return "" if found == ABSENT else found
