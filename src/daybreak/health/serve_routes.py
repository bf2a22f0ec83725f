"""Are the routes of the Serve applications ready? One attempt: all that are wanted, several times in a row."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from daybreak.health import http
from daybreak.health.verdict import NotYet, Ready, Verdict
from daybreak.services.service import ServeCheck

SAME_TIMES = 4
SAME_AGAIN_S = 0.025


async def routes_answer(check: ServeCheck) -> Verdict:
    """While HAProxy is reloaded the old process and the new one both answer: the routes must be there several times."""
    for _ in range(SAME_TIMES):
        verdict = await _serve_once(check)
        if not isinstance(verdict, Ready):
            return verdict
        await asyncio.sleep(SAME_AGAIN_S)
    return await _serve_once(check)


async def _serve_once(check: ServeCheck) -> Verdict:
    try:
        answer = await http.get(f"{check.base_url}/-/routes", any_certificate=True)
    except ConnectionRefusedError:
        return NotYet(f"nothing listens at {check.base_url}")
    if answer.status != http.OK:
        return NotYet(f"Serve's proxy answers {answer.status}: {answer.text.strip()[:120]}")
    try:
        routes: Sequence[str] = list(json.loads(answer.text))
    except ValueError:
        return NotYet("Serve's proxy does not list its routes")
    missing = [route for route in check.routes if route not in routes]
    if missing:
        return NotYet(f"no route {', '.join(missing)} yet")
    # A route may be listed before HAProxy knows of a replica behind it: it would answer with status 500.
    answer = await http.get(f"{check.base_url}/-/healthz", any_certificate=True)
    return Ready() if answer.status == http.OK else NotYet(f"no replica behind the routes yet ({answer.status})")
