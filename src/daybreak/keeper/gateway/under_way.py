"""Requests that wait for the begin of their answer, as HAProxy lists what is under way."""

from __future__ import annotations

import re

from daybreak.keeper.gateway.runtime_socket import command
from daybreak.services.edge.haproxy_config import DASHBOARD, WEBSOCKETS

# `age` is in whole seconds below a minute; `an` of `rp` has a bit for all that is still to be done to the answer.
LISTED = re.compile(r" be=(\S+) srv=(\S+) .* age=(\S+) .* rp\[f=\w+,i=\d+,an=([0-9a-f]+)h")
SECONDS = re.compile(r"(\d+)s")
TO_BEGIN = 0x400000


async def unanswered(path: str, timeout_s: float) -> list[float]:
    """For how many seconds each waits for an application. Raises GatewaySilent."""
    rows = LISTED.findall(await command(path, "show sess", timeout_s=timeout_s))
    return [_age_s(row[2]) for row in rows if _waits(*row)]


def _waits(backend: str, server: str, _: str, answer: str) -> bool:
    return backend not in (DASHBOARD, WEBSOCKETS) and server.lower() != "<none>" and bool(int(answer, 16) & TO_BEGIN)


def _age_s(text: str) -> float:
    """What is older than a minute is old enough for everybody."""
    seconds = SECONDS.fullmatch(text)
    return float(seconds[1]) if seconds else float("inf")
