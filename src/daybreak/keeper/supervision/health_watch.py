"""Watching the health of one running service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from daybreak.backends.base import Backend, Handle
from daybreak.backends.process.halts import Halts
from daybreak.health.checks import attempt
from daybreak.health.verdict import NotYet, Ready, Short, Verdict
from daybreak.services.service import HealthPolicy, Service
from daybreak.states import Health
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

# While a service fails its checks it is asked so often: users want to see when it is well again.
RECHECK_S = 1.0
# Whether it is stopped is seen without asking it.
HALT_EVERY_S = 1.0


async def until_unhealthy(
    service: Service,
    handle: Handle,
    backend: Backend,
    record: Recorder,
    on_short: Callable[[str], None],
    forks: Path,
) -> None:
    """Check every interval, more often while checks fail; `retries` intervals of it in a row mean unhealthy.

    What fails is told at once; a process that is stopped by a signal has failed without being asked. It counts after
    the start period, or where it can never be met; never where it is the keeper that lacks something, which `on_short`
    is told. Of a service without a check that is all that is looked at. `forks`: see Halts.
    """
    policy = service.health
    loop = asyncio.get_running_loop()
    began = counted_s = loop.time()
    failures = 0
    well = told = (Health.HEALTHY if policy.check else Health.NOT_CHECKED, "")
    halts = Halts(handle, forks)
    while failures < policy.retries:
        halted = await _until_due(halts, min(policy.interval_s, RECHECK_S) if told[1] else policy.interval_s)
        asked_s = loop.time()
        verdict: Verdict = NotYet(halted) if halted else Ready()
        if policy.check and not halted:
            timeout_s = policy.timeout_s
            verdict = await attempt(policy.check, service, backend, instance=handle.instance, timeout_s=timeout_s)
        if isinstance(verdict, Short):
            on_short(verdict.lacking)
            continue
        if isinstance(verdict, Ready):
            failures, now_told = 0, well
        else:
            early = loop.time() - began < policy.start_period_s and not failures and isinstance(verdict, NotYet)
            if not early and (not failures or asked_s - counted_s >= policy.interval_s):
                failures, counted_s = failures + 1, loop.time()
            now_told = _failing(verdict.reason, failures, policy)
        if now_told != told:
            told = now_told
            record.emit(Kind.HEALTH, service.name, status=told[0], reason=told[1])


async def _until_due(halts: Halts, pause_s: float) -> str:
    """Wait until the next check is due; sooner where one of its processes is stopped: returns which."""
    loop = asyncio.get_running_loop()
    due_s = loop.time() + pause_s
    while (left_s := due_s - loop.time()) > 0:
        await asyncio.sleep(min(left_s, HALT_EVERY_S))
        if halted := halts.now():
            return halted
    return ""


def _failing(reason: str, failures: int, policy: HealthPolicy) -> tuple[Health, str]:
    """How a failed check is told: its word, and its reason with how often it has counted."""
    health = Health.FAILING if failures < policy.retries else Health.UNHEALTHY
    count = f"{failures}/{policy.retries}" if failures else f"just started, counts after {policy.start_period_s:g} s"
    return health, f"{reason} ({count})"
