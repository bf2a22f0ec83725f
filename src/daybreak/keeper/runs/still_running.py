"""What runs after a run that has failed, in one line."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from daybreak.backends.base import Handle, State
from daybreak.names import WORKERS
from daybreak.services.service import Run, Service


def still_running(services: Sequence[Service], handles: Sequence[Handle]) -> str:
    """Which of the wanted services are still there, and which are not; a deployment is there when it has succeeded."""
    steps = {service.name for service in services if service.run is not Run.STEADY}
    there = [one.service for one in handles if one.state is not State.BROKEN and one.service not in steps]
    workers = {one.name for one in services if one.group} | {one.service for one in handles if one.is_worker}
    wanted = [service.name for service in services if service.name not in steps]
    running = [name for name in wanted if name in there] + [name for name in there if name not in wanted]
    missing = [name for name in wanted if name not in there]
    if not running:
        return "nothing runs now: what had been started was taken down again" if missing else ""
    return f"still running: {_listed(running, workers)}" + (
        f"; not running: {_listed(missing, workers)}" if missing else ""
    )


def _listed(names: Sequence[str], workers: Collection[str]) -> str:
    """With several workers as one."""
    rest = [name for name in names if name not in workers]
    count = len(names) - len(rest)
    return ", ".join(names if count < 3 else [*rest, f"{count} {WORKERS}"])
