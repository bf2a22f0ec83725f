"""The other machines of a cluster as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

COLUMNS = ("HOST", "ADDRESS", "STATE", "NODES", "HEARD", "")


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
    ready = sum(node.get("state") == "ready" for node in nodes)
    ago_s = host.get("heard_ago_s", 0)
    heard = "-" if ago_s is None else f"{ago_s:.0f} s ago"
    texts = (str(host.get(key) or "") for key in ("name", "address", "state"))
    return (*texts, f"{ready}/{len(nodes)} ready", heard, str(host.get("reason") or ""))
