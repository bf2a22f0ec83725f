"""What runs after a run that has failed, in one line."""

from __future__ import annotations

from collections.abc import Sequence

from daybreak.backends.base import Handle, State
from daybreak.names import WORKERS
from daybreak.services.ray.addresses import worker_name
from daybreak.services.service import Service


def still_running(services: Sequence[Service], handles: Sequence[Handle]) -> str:
    """Which of the wanted services are still there, and which are not; a deployment is there when it has succeeded."""
    there = [handle.service for handle in handles if handle.state is not State.BROKEN]
    wanted = [service.name for service in services]
    running = [name for name in wanted if name in there] + [name for name in there if name not in wanted]
    missing = [name for name in wanted if name not in there]
    if not running:
        return "nothing runs now: what had been started was taken down again" if missing else ""
    return f"still running: {_listed(running)}" + (f"; not running: {_listed(missing)}" if missing else "")


def _listed(names: Sequence[str]) -> str:
    """With several workers as one."""
    workers = [name for name in names if name.startswith(worker_name(0)[:-1])]
    if len(workers) < 3:
        return ", ".join(names)
    rest = [name for name in names if name not in workers]
    return ", ".join([*rest, f"{len(workers)} {WORKERS}"])
