"""How a service ends by itself: noticing it, and saying what it was."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Collection, Iterator, Set

from daybreak.backends.process import procfs
from daybreak.backends.process.pidfd import wait_all
from daybreak.backends.process.procfs import Process

FIRST_LOOK_S, LONGEST_LOOK_S = 0.1, 1.0
# A node's processes are its first one's children, or what starts them is.
LEVELS = 2


async def first_lost(main: int, vital: Set[str], forks: Callable[[], Collection[int]] = frozenset) -> tuple[int, str]:
    """Wait for the end of a main process, or of one that it cannot do without: its pid and name (`main` for that).

    Those come one after another while the service starts: they are looked for until all were seen, below the main
    process and below its `forks`, whose parent is the warm template.
    """
    watched, missing = {main: "main"}, set(vital)
    pause_s = FIRST_LOOK_S
    while True:
        for process in await _below([main, *forks()]) if missing else ():
            if process.comm in missing:
                watched[process.pid] = process.comm
                missing.discard(process.comm)
        if ended := await wait_all(list(watched), any_one=True, timeout_s=pause_s if missing else None):
            return ended, watched[ended]
        pause_s = min(2 * pause_s, LONGEST_LOOK_S)


async def _below(roots: Collection[int]) -> list[Process]:
    """The first levels of children; everything below, found among all processes, where the kernel lists no children."""
    try:
        return [process for root in roots for process in below(root)]
    except FileNotFoundError:
        return await asyncio.to_thread(_all_below, roots)


def below(pid: int, levels: int = LEVELS) -> Iterator[Process]:
    """The first levels of its children. Raises FileNotFoundError where the kernel does not list them."""
    for child in procfs.children(pid) if levels else ():
        if (process := procfs.read(child)) and not process.zombie:
            yield process
            yield from below(child, levels - 1)


def _all_below(roots: Collection[int]) -> list[Process]:
    rows = {process.pid: process for process in procfs.processes()}
    return [rows[pid] for pid in procfs.descendants(rows.values(), roots) if pid in rows]


def exit_reason(code: int | None) -> str:
    """An exit code, negative for a signal, in words."""
    if code is None:
        return "ended (exit code unknown: it was started by an earlier keeper)"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"
