"""What the gateway counts now, as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daybreak.show.receipt import milliseconds

# So much is shown of the past.
PERIOD_S = 60
COLUMNS = ("TRAFFIC", "REQUESTS/S", "FAILED", "ERRORS", "LEFT", "HELD", "P50", "P99", "SLOWEST")
# Requests that no application's route fits.
NOBODY = "(no route)"
_BARS = " ▁▂▃▄▅▆▇█"


def traffic_lines(traffic: Mapping[str, Any] | None) -> list[str]:
    """One line per application, of the last seconds; none where there is no gateway, or nothing has come yet."""
    applications = traffic["applications"] if traffic else ()
    if not applications:
        return []
    rows = [COLUMNS, *(row(one["name"], one["per_s"], one["recent"]) for one in applications)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(COLUMNS))]
    return [aligned(cells, widths) for cells in rows]


def minute(seconds: Sequence[Mapping[str, Any]]) -> list[str]:
    """The newest of these seconds as a table, and how many requests came in each of them as bars."""
    newest = seconds[-1]
    counts = {"all": newest["all"]} if len(newest["applications"]) != 1 else {}
    counts |= newest["applications"]
    rows = [COLUMNS, *(row(name, one["requests"], one) for name, one in counts.items())]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(COLUMNS))]
    table = [aligned(cells, widths) for cells in rows]
    requests = [one["all"]["requests"] for one in seconds]
    table.append(f"{bars(requests)}  at most {max(requests):,} requests/s")
    marks = "".join("^" if one["run"] else " " for one in seconds).rstrip()
    return [*table, f"{marks} {newest['run'] or 'a run'}"] if marks else table


def bars(values: Sequence[int]) -> str:
    """One bar per value, from nothing to the greatest."""
    top = max(values, default=0)
    return "".join(_BARS[-(-value * (len(_BARS) - 1) // top) if top else 0] for value in values)


def plain_lines(second: Mapping[str, Any]) -> list[str]:
    """One line per application of one second, with the names of its numbers: lines may be far from a head."""
    run = f"  during {second['run']}" if second["run"] else ""
    found = second["applications"] or {"all": second["all"]}
    return [f"{NOBODY if name == '-' else name}  {_plain(one)}{run}" for name, one in found.items()]


def _plain(counts: Mapping[str, Any]) -> str:
    requests = f"{counts['requests']:,} requests/s, {counts['failed']} failed, {counts['errors']} errors"
    waited = f", held {counts['held']}" if counts["held"] else ""
    if counts["p50_ms"] is None:
        return requests + waited
    return f"{requests}{waited}, p50 {latency(counts['p50_ms'])}, p99 {latency(counts['p99_ms'])}"


def row(name: str, per_s: float, counts: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells of one application."""
    numbers = (str(counts[key]) for key in ("failed", "errors", "left", "held"))
    latencies = (latency(counts[key]) for key in ("p50_ms", "p99_ms", "slowest_ms"))
    return (NOBODY if name == "-" else name, rate(per_s), *numbers, *latencies)


def aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    """The name to the left, numbers to the right."""
    name, *numbers = cells
    return "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])])


def rate(per_s: float) -> str:
    """`0`, `0.3`, `12.4`, `834`."""
    return f"{per_s:,.0f}" if per_s >= 100 or per_s == int(per_s) else f"{per_s:.1f}"


def latency(value_ms: float | None) -> str:
    """`-` where nothing was answered."""
    return "-" if value_ms is None else milliseconds(value_ms)
