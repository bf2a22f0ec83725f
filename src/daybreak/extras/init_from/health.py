"""A Compose health check, as a spec says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from daybreak.extras.init_from.words import split
from daybreak.hosts import LOOPBACK

_HTTP = re.compile(r"\b(?:curl|wget)\b.*?(?P<url>https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\d+)?[^\s'\"|;&)]*)")
_TCP = re.compile(r"\bnc\b.*?\s(?:localhost|127\.0\.0\.1|0\.0\.0\.0)\s+(?P<port>\d+)")
_GRPC = re.compile(r"\bgrpc_health_probe\b.*?-addr[= ](?:localhost|127\.0\.0\.1)?:(?P<port>\d+)")
_SERVED = re.compile(r"//(localhost|0\.0\.0\.0)")


def check_of(healthcheck: Mapping[str, Any]) -> dict[str, Any] | None:
    """`check`: by HTTP or TCP where the command does no more than that, else the command; None without one."""
    test = healthcheck.get("test")
    if not test or healthcheck.get("disable") or test == ["NONE"]:
        return None
    words = split(test) if isinstance(test, list) else ("CMD-SHELL", str(test))
    line = " ".join(words[1:])
    if found := _HTTP.search(line):
        return {"http": _SERVED.sub(f"//{LOOPBACK}", found["url"])}
    if found := _TCP.search(line):
        return {"tcp": int(found["port"])}
    if found := _GRPC.search(line):
        return {"grpc": f"{LOOPBACK}:{found['port']}"}
    return {"command": ["sh", "-c", line] if words[0] == "CMD-SHELL" else list(words[1:])}


def moved(check: dict[str, Any], ports: Mapping[int, int]) -> dict[str, Any]:
    """The same where the program listens on other ports."""
    for old, new in ports.items():
        for way in check.keys() & {"http", "grpc"}:
            check = {way: re.sub(rf":{old}(?=/|$|\?)", f":{new}", check[way])}
        if check.get("tcp") == old:
            check = {"tcp": new}
    return check
