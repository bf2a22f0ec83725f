"""Processes that have lost their parent somewhere below the keeper become its children, and it waits for them.

The first process of a container is often a program that does not: what nobody waits for stays as a zombie until the
container ends. Services that an earlier keeper has started are not below this one.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Collection
from contextlib import suppress

from daybreak.backends import procfs

PR_SET_CHILD_SUBREAPER = 36


def adopt() -> bool:
    """From now on orphans below this process are its children; False where the kernel does not know that."""
    try:
        return int(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False


class Orphans:
    """Collects what has ended and what nobody waits for. `waited_for` are children whose end somebody will ask for."""

    def __init__(self, waited_for: Callable[[], Collection[int]]) -> None:
        self._waited_for = waited_for
        self._ended: set[int] = set()

    def collect(self) -> list[int]:
        """Collect those that had ended at the last call: whoever waits for a program has collected it meanwhile."""
        ended = _ended_children() - set(self._waited_for())
        collected = sorted(ended & self._ended)
        for pid in collected:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._ended = ended - set(collected)
        return collected


def collect_all() -> None:
    """Collect every child that has ended, when nobody waits for any of them any more."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _ended_children() -> set[int]:
    """What has ended and was not collected, of this process's own children."""
    own = os.getpid()
    rows = (procfs.read(int(entry)) for entry in os.listdir(procfs.PROC) if entry.isdigit())
    return {row.pid for row in rows if row is not None and row.parent == own and row.zombie}
