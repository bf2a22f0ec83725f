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
        while going := [process for process in await self._members(handles) if not process.stopped]:
            if time.monotonic() > end:
                raise DaybreakError(f"these do not stop: {', '.join(f'{row.comm} ({row.pid})' for row in going)}")
            signal_each(going, signal.SIGSTOP)
            await asyncio.sleep(LOOK_S)

    async def thaw(self, handles: Sequence[Handle]) -> None:
        """Let all of them go on."""
        signal_each([row for row in await self._members(handles) if row.stopped], signal.SIGCONT)

    async def _members(self, handles: Sequence[Handle]) -> list[Process]:
        here = [handle for handle in handles if handle.boot_id == procfs.boot_id()]
        scan = await self._scans.fresh()

        def look() -> list[Process]:
            found = {process.pid: process for handle in here for process in scan.of(handle, self._folder)}
            return list(found.values())

        return await asyncio.to_thread(look)
