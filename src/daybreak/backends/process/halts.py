"""Whether somebody has stopped what a service runs by: such a process takes connections, since the kernel does that for
it, and looks like one that is busy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.backends.process import procfs
from daybreak.backends.process.exits import below
from daybreak.backends.process.members import forks_of, is_alive

STOPPED = "T"


class Halts:
    """Of one instance: its main process, and those that it cannot do without. A container has none of them here.

    `forks` is the folder in which forks are registered: what one of them starts is no child of the main process.
    """

    def __init__(self, handle: Handle, forks: Path) -> None:
        self._handle = handle
        self._forks = forks
        self._missing = {*handle.vital, handle.stop.working_name} - {""}
        self._watched: dict[int, int] = {handle.pid: handle.started_ticks}

    def now(self) -> str:
        """Which of them is stopped by a signal, in words; empty where none is."""
        if not is_alive(self._handle):
            return ""
        self._find()
        return next(
            (f"pid {one.pid} ({one.comm}) is stopped by a signal" for one in self._there() if one.state == STOPPED), ""
        )

    def _there(self) -> Iterator[procfs.Process]:
        for pid, started_ticks in self._watched.items():
            found = procfs.read(pid)
            if found and found.started_ticks == started_ticks:
                yield found

    def _find(self) -> None:
        """Whom it misses; a main process that does the work itself is all that there is of that name."""
        if not self._missing:
            return
        main = procfs.read(self._handle.pid)
        self._missing.discard(main.comm if main else "")
        if not self._missing:
            return
        roots = [self._handle.pid, *forks_of(self._forks, self._handle.instance)]
        try:
            for one in (one for root in roots for one in below(root)):
                if one.comm in self._missing:
                    self._missing.discard(one.comm)
                    self._watched[one.pid] = one.started_ticks
        except FileNotFoundError:  # this kernel lists no children
            self._missing.clear()
