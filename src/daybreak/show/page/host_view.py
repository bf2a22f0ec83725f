"""What the template is given of the cluster's other machines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daybreak.show.hosts import ahead, latency, ready_nodes
from daybreak.show.page.event_text import clean
from daybreak.states import HOSTS_NOT_WELL, HostState
from daybreak.timeline.status import Snapshot

TONES = {HostState.READY: "good", HostState.LEFT: "idle", **dict.fromkeys(HOSTS_NOT_WELL, "bad")}


@dataclass(frozen=True)
class HostRow:
    """One line of the table of other machines."""

    key: str
    name: str
    address: str
    tone: str
    state: str
    reason: str
    nodes: str
    latency: str
    clock: str


def hosts(snapshot: Snapshot) -> list[HostRow]:
    """The other machines, as `daybreak hosts` tells of them."""
    return [_host(host) for host in snapshot.hosts]


def _host(host: Mapping[str, Any]) -> HostRow:
    nodes, state = host.get("nodes") or (), HostState(host.get("state", ""))
    return HostRow(
        key=f"host {host['name']}",
        name=clean(str(host["name"])),
        address=clean(str(host.get("address", ""))),
        tone=TONES.get(state, "busy"),
        state=state,
        reason=clean(str(host.get("reason") or "")),
        nodes=f"{ready_nodes(host)} of {len(nodes)}",
        latency=latency(host.get("latency_s")),
        clock=ahead(host.get("clock_ahead_s")),
    )
