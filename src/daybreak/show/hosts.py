"""The other machines of a cluster as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from daybreak.states import FINE

COLUMNS = ("HOST", "ADDRESS", "STATE", "NODES", "HEARD", "LATENCY", "CLOCK", "")


def host_lines(hosts: Iterable[Mapping[str, Any]]) -> list[str]:
    """A table; nothing where there is none."""
    rows = [_row(host) for host in hosts]
    if not rows:
        return []
    rows.insert(0, COLUMNS)
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS) - 1)]
    return ["  ".join([*map(str.ljust, row[:-1], widths), row[-1]]).rstrip() for row in rows]


def _row(host: Mapping[str, Any]) -> tuple[str, ...]:
    nodes = host.get("nodes") or ()
    ago_s = host.get("heard_ago_s", 0)
    heard = "-" if ago_s is None else f"{ago_s:.0f} s ago"
    texts = (str(host.get(key) or "") for key in ("name", "address", "state"))
    measured = (latency(host.get("latency_s")), ahead(host.get("clock_ahead_s")))
    return (*texts, f"{ready_nodes(host)}/{len(nodes)} ready", heard, *measured, str(host.get("reason") or ""))


def ready_nodes(host: Mapping[str, Any]) -> int:
    """How many of its nodes are."""
    return sum(node.get("state") in FINE for node in host.get("nodes") or ())


def latency(there_and_back_s: float | None) -> str:
    """How long a message takes there and back."""
    return "-" if there_and_back_s is None else f"{there_and_back_s * 1000:.1f} ms"


def ahead(clock_s: float | None) -> str:
    """How far a clock is ahead of this machine's."""
    return "-" if clock_s is None else f"{clock_s:+.2f} s".replace("-0.00", "+0.00")
