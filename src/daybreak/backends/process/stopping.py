"""Ending every process of an instance, as its stop policy says."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.backends.process import procfs
from daybreak.backends.process.members import Scans, forks, is_alive
from daybreak.backends.process.pidfd import signal_each, wait_all
from daybreak.backends.process.procfs import Process
from daybreak.errors import DaybreakError
from daybreak.services.ray.helpers import TRACKER

KILL_DEADLINE_S = 15.0
# Between looks for what has ended, or come, without being waited for.
LOOK_S = 1.0


class Stop:
    """One instance being ended; forks of the template are registered in `folder`."""

    def __init__(self, handle: Handle, scans: Scans, folder: Path) -> None:
        self._handle = handle
        self._scans = scans
        self._folder = folder
        self._began = time.monotonic()
        self._asked: set[int] = set()
        self._killed: set[int] = set()
        # Has any process of it been told to end?
        self.begun = False

    async def run(self) -> int:
        """Signal, wait for the grace period, kill what is left; returns how many ordinary processes were killed.

        Raises DaybreakError where something does not end even then.
        """
        grace_s = self._handle.stop.grace_s
        while left := await self._members():
            for_s = time.monotonic() - self._began
            if for_s > grace_s + KILL_DEADLINE_S:
                pids = ", ".join(f"{p.comm} ({p.pid})" for p in left)
                raise DaybreakError(
                    f"{self._handle.service}: processes do not end even when killed: {pids}",
                    hint="what hangs in the kernel, on a disk or a network file system, ends when that answers",
                )
            ordinary = [p for p in left if not self._comes_afterwards(p)]
            if for_s >= grace_s or not ordinary:
                if for_s >= grace_s:
                    self._killed.update(p.pid for p in ordinary)
                await self._kill(left)
            else:
                self._ask(left, ordinary)
                # One that was frozen hears of no signal but SIGKILL until it goes on.
                signal_each([p for p in left if p.stopped], signal.SIGCONT)
                await wait_all([p.pid for p in ordinary], timeout_s=max(0.0, grace_s - for_s))
        return len(self._killed)

    async def _members(self) -> list[Process]:
        scan = await self._scans.fresh()
        return await asyncio.to_thread(scan.of, self._handle, self._folder)

    async def _kill(self, left: Sequence[Process]) -> None:
        self.begun = True
        # What clears up after the others has until they have gone, and a moment more.
        first = [p for p in left if TRACKER not in procfs.command_line(p.pid)]
        signal_each(first, signal.SIGKILL)
        await wait_all([p.pid for p in left], timeout_s=LOOK_S)
        if not first:
            signal_each(left, signal.SIGKILL)

    def _ask(self, left: Sequence[Process], ordinary: Sequence[Process]) -> None:
        """Signal each once. A fork is signalled through its launcher; one that has lost it must go, as the template
        sees to, too."""
        self.begun = True
        handle, forked = self._handle, forks(self._folder)
        signal_each([p for p in left if p.pid in forked and not forked[p.pid].has_launcher], signal.SIGKILL)
        asking = [p for p in ordinary if p.pid not in self._asked and p.pid not in forked]
        if handle.stop.main_only and is_alive(handle):
            asking = [p for p in asking if p.pid == handle.pid]
        signal_each(asking, signal.Signals[handle.stop.signal])
        self._asked.update(p.pid for p in asking)

    def _comes_afterwards(self, process: Process) -> bool:
        return procfs.is_helper(procfs.command_line(process.pid), self._handle.stop.afterwards)
