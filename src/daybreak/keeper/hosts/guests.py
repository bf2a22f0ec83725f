"""What the first machine's keeper knows of each host at this moment: what it has told, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daybreak.keeper.hosts.book import Host
from daybreak.keeper.hosts.measured import Distance
from daybreak.keeper.hosts.wire import Line
from daybreak.states import FINE, HostState, ServiceState

# Hosts tell something so often, and what has changed at once; without a word for three times as long one counts as
# lost.
REPORT_S = 2.0
SILENT_S = 3 * REPORT_S
# What `status` has of each node there.
OF_NODES = ("name", "state", "pid", "reached_at", "metrics_at")


@dataclass
class Guest:
    """One host. `heard` is when it last told something (the loop's clock), `line` its connection, None while it has
    none. `places` is of what is started there: ADDRESS:PORT of each raylet, by the node's name. `own` is what it has
    for its workers, `stopped`: its nodes were ended, as all that was here. `facts` are of the machine itself: its
    `daybreak` and `python`, and the `mtu` on the way here."""

    host: Host
    heard: float
    line: Line | None = None
    nodes: Sequence[Mapping[str, Any]] = ()
    serial: str = ""
    code: str = ""
    own: Mapping[str, Any] | None = None
    trouble: str = ""
    stopped: bool = False
    leaving: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    distance: Distance = field(default_factory=Distance)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, report: Mapping[str, Any], now: float) -> None:
        self.heard = now
        self.nodes = [each for each in report.get("nodes", ()) if isinstance(each, Mapping)]
        self.serial, self.code = str(report.get("serial", "")), str(report.get("code", ""))
        self.own = report.get("own") if isinstance(report.get("own"), Mapping) else None
        self.trouble = str(report.get("trouble", ""))
        self.stopped = bool(report.get("stopped"))
        if isinstance(facts := report.get("facts"), Mapping):
            self.facts = facts
        if isinstance(stamps := report.get("clock"), Mapping):
            self.distance.hear(stamps, time.time())
        self.news.set()

    def has(self, orders: Mapping[str, Any]) -> bool:
        """Is it what it is told to be?"""
        own = orders.get("own")
        return (self.serial, self.code) == (orders.get("serial"), orders.get("code")) and own in (None, self.own)

    @property
    def places(self) -> dict[str, str]:
        """Each raylet's place, and how its node is called here."""
        return {str(each["place"]): f"{self.host.name}/{each.get('name')}" for each in self.nodes if each.get("place")}

    def row(self, orders: Mapping[str, Any], now: float) -> dict[str, Any]:
        """As `status` and `hosts` tell of it; `orders` are what it should have."""
        state, reason = self._state(orders, now)
        nodes = [{key: each.get(key) for key in OF_NODES} for each in self.nodes]
        known = {key: self.facts.get(key) for key in ("daybreak", "python", "mtu")}
        return {
            "name": self.host.name,
            "address": self.host.address,
            "state": state,
            "reason": reason,
            "nodes": nodes,
            "heard_ago_s": round(now - self.heard, 1),
            "since": self.host.since,
            "latency_s": self.distance.latency_s,
            "clock_ahead_s": self.distance.ahead_s,
            "mtu_from_here": self.line.mtu if self.line else None,
            **known,
        }

    def _state(self, orders: Mapping[str, Any], now: float) -> tuple[HostState, str]:
        silent_s = now - self.heard
        if self.line is None or silent_s > SILENT_S:
            return HostState.LOST, f"not heard of for {silent_s:.0f} s"
        if self.leaving:
            return HostState.LEAVING, "its nodes are drained"
        if self.trouble:
            return HostState.DEGRADED, self.trouble
        if self.serial != orders.get("serial", "") or orders.get("own") not in (None, self.own):
            return HostState.CHANGING, "is brought up to date"
        if self.stopped:
            return HostState.CHANGING, "its nodes are started again"
        unready = [str(each.get("name")) for each in self.nodes if each.get("state") not in FINE]
        failed = any(each.get("state") == ServiceState.FAILED for each in self.nodes)
        if unready:
            return (HostState.DEGRADED if failed else HostState.CHANGING), f"not ready: {', '.join(unready)}"
        return HostState.READY, ""
