"""What the gateway counts as the template is given it: numbers in words, and small lines over the last minutes. Pure.

Lines are in percent of their picture: to the right the time, down from the top.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daybreak.show.page.event_text import clean
from daybreak.show.receipt import milliseconds
from daybreak.show.text import plural
from daybreak.show.traffic import NOBODY, latency, rate
from daybreak.timeline.event import RunKind
from daybreak.timeline.run import Run

# So much of the past is drawn.
PERIOD_S = 180
# More applications than this are not drawn: the busiest are.
MOST_DRAWN = 8
MARKED = (RunKind.RESTART, RunKind.CHANGE, RunKind.STARTUP, RunKind.RECOVERY)
Value = Callable[[Mapping[str, Any]], float | None]


@dataclass(frozen=True)
class RunMark:
    """A run on the time line, in percent."""

    x: float
    width: float
    words: str


@dataclass(frozen=True)
class ApplicationTraffic:
    """One application. Each line is a list of stretches without a gap, as points of an SVG `polyline`."""

    name: str
    rate: str
    wrong: str
    latency: str
    requests: tuple[str, ...]
    failures: tuple[str, ...]
    p50: tuple[str, ...]
    p99: tuple[str, ...]
    top_rate: str
    top_latency: str


def application_traffic(
    traffic: Mapping[str, Any] | None, seconds: Sequence[Mapping[str, Any]]
) -> list[ApplicationTraffic]:
    """The busiest applications in the order of their names, from the status and the last seconds."""
    found = list(traffic["applications"]) if traffic else []
    busiest = sorted(found, key=lambda one: -one["total"]["requests"])[:MOST_DRAWN]
    return [_application(one, seconds) for one in sorted(busiest, key=lambda one: str(one["name"]))]


def _application(one: Mapping[str, Any], seconds: Sequence[Mapping[str, Any]]) -> ApplicationTraffic:
    counts = [second["applications"].get(one["name"]) for second in seconds]
    recent = one["recent"]
    top_rate = max((each["requests"] for each in counts if each), default=0)
    top_ms = max((each["p99_ms"] or 0.0 for each in counts if each), default=0.0)
    wrong = [
        f"{recent[key]} {word}" for key, word in (("failed", "failed"), ("errors", "with an error")) if recent[key]
    ]
    known = recent["p50_ms"] is not None
    return ApplicationTraffic(
        name=NOBODY if one["name"] == "-" else clean(str(one["name"])),
        rate=rate(one["per_s"]),
        wrong=", ".join(wrong),
        latency=f"p50 {latency(recent['p50_ms'])}, p99 {latency(recent['p99_ms'])}" if known else "",
        requests=_line(counts, lambda each: each["requests"], top_rate),
        failures=_line(counts, lambda each: (each["failed"] + each["errors"]) or None, top_rate),
        p50=_line(counts, lambda each: each["p50_ms"], top_ms),
        p99=_line(counts, lambda each: each["p99_ms"], top_ms),
        top_rate=f"{rate(top_rate)}/s",
        top_latency=milliseconds(top_ms),
    )


def _line(counts: Sequence[Mapping[str, Any] | None], value: Value, top: float) -> tuple[str, ...]:
    """Stretches of neighbouring seconds that have a value; one alone is as wide as a second."""
    step = 100 / max(len(counts), 1)
    stretches: list[list[str]] = [[]]
    for place, each in enumerate(counts):
        found = value(each) if each else None
        if found is None:
            stretches.append([])
            continue
        y = 100 - 100 * min(found / top, 1.0) if top else 100.0
        stretches[-1] += [f"{place * step:.2f},{y:.1f}", f"{(place + 1) * step:.2f},{y:.1f}"]
    return tuple(" ".join(points) for points in stretches if points)


def run_marks(runs: Sequence[Run], seconds: Sequence[Mapping[str, Any]], now: float) -> list[RunMark]:
    """The runs that have gone on meanwhile; `now` is where those end that are under way."""
    if not seconds:
        return []
    first_s, length_s = float(seconds[0]["at"]), float(len(seconds))
    made = []
    for run in runs:
        ended = run.began_wall + run.duration_s if run.duration_s is not None else now
        begin, end = (min(max(100 * (at - first_s) / length_s, 0.0), 100.0) for at in (run.began_wall, ended))
        if run.kind in MARKED and ended > first_s and begin < 100:
            made.append(RunMark(round(begin, 2), round(max(end - begin, 0.5), 2), f"run {run.id}: {run.what}"))
    return made


def left_out(traffic: Mapping[str, Any] | None) -> str:
    """How many applications are not drawn, in words."""
    more = len(traffic["applications"]) - MOST_DRAWN if traffic else 0
    return f"and {plural(more, 'application')} more: daybreak traffic" if more > 0 else ""
