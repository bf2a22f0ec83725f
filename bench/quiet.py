"""Whether the machine is free for a measurement: no Ray, no keeper, no port taken, processors idle."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Sequence

import psutil

from bench.doubts import MOST_CORES

# Serve, dashboard, and the head's port as Ray and as daybreak choose it.
PORTS = (8000, 8265, 6379, 6380, 8080)
SETTLE_S = 60.0
SETTLE_EVERY_S = 0.1
WINDOW_S = 1.0
PATIENCE_S = 300.0
MOST_NAMED = 3


class NotQuiet(Exception):
    """Something runs that must not, so nothing can be measured (or stopped) safely."""


def occupants(ports: Sequence[int] = PORTS) -> list[str]:
    """Everything that is in the way of a measurement, in words; empty where the machine is free."""
    processes = [f"{name} runs (pid {pid})" for pid, name in _processes()]
    return processes + [f"port {port} is taken" for port in ports if _taken(port)]


def require_quiet(ports: Sequence[int] = PORTS) -> None:
    """Raise NotQuiet where something is in the way: `ray stop -f` would end other people's clusters too."""
    found = occupants(ports)
    if found:
        raise NotQuiet(_text("the bench needs the machine for itself and refuses to begin", found))


def wait_until_quiet(ports: Sequence[int] = PORTS) -> None:
    """Return as soon as nothing is left of the run before; raises NotQuiet after SETTLE_S."""
    deadline = time.monotonic() + SETTLE_S
    while found := occupants(ports):
        if time.monotonic() >= deadline:
            raise NotQuiet(_text(f"the run before is not gone after {SETTLE_S:.0f} s", found))
        time.sleep(SETTLE_EVERY_S)


def require_one_stock_cluster() -> None:
    """Raise NotQuiet where `ray stop -f` would end more than the one cluster that was started here."""
    found = [(pid, name) for pid, name in _processes() if name in ("gcs_server", "daybreak.keeper")]
    if len(found) > 1 or any(name == "daybreak.keeper" for _, name in found):
        words = [f"{name} runs (pid {pid})" for pid, name in found]
        raise NotQuiet(_text("another cluster was started meanwhile, so `ray stop -f` is not run", words))


def when_idle(cores: int, patience_s: float | None = PATIENCE_S) -> tuple[float, float]:
    """The load average of the last minute, and the share of all processors in use in the last second, as soon as that
    is next to nothing.

    What ran before is given time to pass. Raises NotQuiet after `patience_s`: what is measured beside something else is
    no result. None: whatever is in use, it is told at once.
    """
    deadline = time.monotonic() + (patience_s or 0.0)
    while (busy := psutil.cpu_percent(interval=WINDOW_S) / 100) * cores > MOST_CORES:
        if patience_s is None:
            break
        if time.monotonic() >= deadline:
            what = f"something else has used {busy * cores:.0%} of a processor for {patience_s:.0f} s"
            raise NotQuiet(_text(what, _busiest()))
    return os.getloadavg()[0], busy


def _busiest() -> list[str]:
    """Who it may be: what uses most."""
    found = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            process.cpu_percent()
            found.append(process)
    time.sleep(WINDOW_S)
    used = []
    for process in found:
        with contextlib.suppress(psutil.Error):
            used.append((process.cpu_percent(), f"{process.info['name']} (pid {process.pid})"))
    return [
        f"{name} uses {share:.0f} % of one" for share, name in sorted(used, reverse=True)[:MOST_NAMED] if share >= 1
    ]


def _processes() -> list[tuple[int, str]]:
    found = []
    for process in psutil.process_iter(["name", "cmdline", "status"]):
        name, argv = process.info["name"] or "", process.info["cmdline"] or []
        if process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        if name in ("gcs_server", "raylet") or name.startswith("ray::"):
            found.append((process.pid, name))
        elif "daybreak.keeper" in argv:
            found.append((process.pid, "daybreak.keeper"))
    return found


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it, so that connections of the run before that merely linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
        return False


def _text(what: str, found: Sequence[str]) -> str:
    listed = "".join(f"\n  {line}" for line in found)
    return f"{what}:{listed}\nstop it with the command that started it, then measure again"
