"""Stopping every process of some instances without ending it, and letting them go on.

One that goes on while the others stand still takes them for dead: what the template has forked is stopped as well.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.backends.process import procfs
from daybreak.backends.process.members import Scans
from daybreak.backends.process.pidfd import signal_each
from daybreak.backends.process.procfs import Process
from daybreak.errors import DaybreakError

# A process that waits for a disk stops when that has answered.
DEADLINE_S = 10.0
LOOK_S = 0.05
# As the kernel writes it in /proc.
UNINTERRUPTIBLE = "D"


class Freezer:
    """Forks of the template are registered in `folder`."""

    def __init__(self, scans: Scans, folder: Path) -> None:
        self._scans = scans
        self._folder = folder

    async def freeze(self, handles: Sequence[Handle]) -> None:
        """Stop them until a look finds none that goes on: one that was just being started may come meanwhile.

        Raises DaybreakError for those that do not stop.
        """
        end = time.monotonic() + DEADLINE_S
        while True:
            members = await self._members(handles)
            going = [row for row in members if not row.stopped]
            if not going:
                return
            if time.monotonic() > end:
                raise DaybreakError(f"these do not stop: {', '.join(f'{row.comm} ({row.pid})' for row in going)}")
            # Whoever starts a program by vfork cannot stop until that runs: so what it starts goes on until then.
            waiting = {row.pid for row in going if row.state == UNINTERRUPTIBLE}
            starting = [row for row in members if row.parent in waiting]
            signal_each([row for row in going if row not in starting], signal.SIGSTOP)
            signal_each(starting, signal.SIGCONT)
            await asyncio.sleep(LOOK_S)

    async def thaw(self, handles: Sequence[Handle]) -> None:
        """Let all of them go on, those as well that have yet to heed that they were to stop."""
        signal_each(await self._members(handles), signal.SIGCONT)

    async def _members(self, handles: Sequence[Handle]) -> list[Process]:
        here = [handle for handle in handles if handle.boot_id == procfs.boot_id()]
        scan = await self._scans.fresh()

        def look() -> list[Process]:
            found = {process.pid: process for handle in here for process in scan.of(handle, self._folder)}
            return list(found.values())

        return await asyncio.to_thread(look)
