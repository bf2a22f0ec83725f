"""Processes that have lost their parent somewhere below the keeper become its children, and it waits for them.

The first process of a container is often a program that does not: what nobody waits for stays as a zombie until the
container ends. Services that an earlier keeper has started are not below this one.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress

from daybreak.backends.process import procfs

PR_SET_CHILD_SUBREAPER = 36
# Whoever waits for a program has collected it by then.
MOMENT_S = 1.0


def adopt() -> bool:
    """From now on orphans below this process are its children; False where the kernel does not know that."""
    try:
        return int(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False


class Orphans:
    """Collects what has ended and what nobody waits for. `waited_for` are children whose end somebody will ask for.

    What is in this process's own session was started by it, and is waited for where it was started.
    """

    def __init__(self, waited_for: Callable[[], Collection[int]]) -> None:
        self._waited_for = waited_for
        self._ended: set[int] = set()
        self._next: asyncio.TimerHandle | None = None

    def follow(self) -> None:
        """Look whenever a child ends, a moment later."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._soon)

    def collect(self) -> list[int]:
        """Collect those that had ended at the last call: whoever waits for a program has collected it meanwhile."""
        ended = ended_children() - set(self._waited_for())
        collected = sorted(ended & self._ended)
        for pid in collected:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._ended = ended - set(collected)
        return collected

    def _soon(self) -> None:
        if self._next is None:
            self._next = asyncio.get_running_loop().call_later(MOMENT_S, self._look)

    def _look(self) -> None:
        self._next = None
        self.collect()
        if self._ended:
            self._soon()


def collect_all() -> None:
    """Collect every child that has ended, when nobody waits for any of them any more."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def ended_children() -> set[int]:
    """What has ended and was not collected, of this process's children in other sessions."""
    own, session = os.getpid(), os.getsid(0)
    rows = (procfs.read(pid) for pid in _children())
    return {row.pid for row in rows if row and row.parent == own and row.session != session and row.zombie}


def _children() -> Iterator[int]:
    """Every child; every process where the kernel does not list them."""
    try:
        yield from procfs.children(os.getpid())
    except FileNotFoundError:
        yield from (int(entry) for entry in os.listdir(procfs.PROC) if entry.isdigit())
