"""What is said of alerts: one line for each that fires, and for each destination that none reaches. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daybreak.show.text import ago, aligned, plural

Alerts = Mapping[str, Any]


def firing_lines(alerts: Alerts, now: float) -> list[str]:
    """`head-down       2 min ago  Ray's head is down: crashed: exited with code 1`; aligned, oldest first."""
    return aligned([(one["what"], ago(one["since"], now), _told(one)) for one in alerts.get("firing", ())])


def _told(alert: Mapping[str, Any]) -> str:
    return f"{alert['title']}: {alert['reason']}"


def trouble_lines(alerts: Alerts) -> list[str]:
    """`alerts do not reach the webhook at hooks.example.com: HTTP 500; 2 messages waiting`."""
    return [
        one["trouble"] + (f"; {plural(one['waiting'], 'message')} waiting" if one["waiting"] else "")
        for one in alerts.get("destinations", ())
        if one["trouble"]
    ]


def told_lines(alerts: Alerts) -> list[str]:
    """Who is told of them."""
    found = [one["to"] for one in alerts.get("destinations", ())]
    return [f"told to {', '.join(found)}"] if found else ["nobody is told: the spec has no `alerts`"]


def tried_lines(alerts: Alerts) -> list[str]:
    """What became of a test."""
    return [
        f"{one['to']}: " + (f"arrived after {one['took_s']:.2f} s" if one["arrived"] else one["reason"])
        for one in alerts.get("tried", ())
    ]
