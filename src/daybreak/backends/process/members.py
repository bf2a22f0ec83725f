"""Which processes are an instance's: membership by marker, session and parentage.

Ray's processes overwrite their own environment when they set a title, and its workers leave the process group, so no
single sign finds them all: the environment marker, the session and the tree of parents together do.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.backends.process import procfs
from daybreak.backends.process.procfs import CLUSTER_MARKER, MARKER, Process
from daybreak.programs.warm import registry

# The session of no process.
NOBODY = -1


@dataclass(frozen=True)
class Fork:
    """A process that a warm template has forked, the instance it belongs to, and whether its launcher lives."""

    process: Process
    instance: str
    has_launcher: bool


def forks(folder: Path) -> dict[int, Fork]:
    """The live forks by pid."""
    found = {}
    for row in registry.rows(str(folder)):
        process = procfs.read(row.pid)
        if process and process.started_ticks == row.started and not process.zombie:
            found[row.pid] = Fork(process, row.instance, procfs.alive(row.launcher, row.launcher_started))
    return found


def forks_of(folder: Path, instance: str) -> list[int]:
    """The pids of an instance's live forks."""
    return [pid for pid, fork in forks(folder).items() if fork.instance == instance]


def works(process: Process, name: str, folder: str) -> bool:
    """Has the process that name, and that folder? Who merely stands there, a shell or an editor, is a stranger."""
    return bool(name and folder) and process.comm == name and procfs.working_folder(process.pid) == folder


def is_here(handle: Handle) -> bool:
    """Does its pid mean something to us? A cluster's state may be seen from several containers."""
    return handle.namespace in ("", procfs.pid_namespace())


def is_alive(handle: Handle) -> bool:
    """Does its main process run?"""
    return is_here(handle) and procfs.alive(handle.pid, handle.started_ticks)


class Scan:
    """Every live process of this machine at one moment, with the markers in its environment. Making one blocks."""

    def __init__(self) -> None:
        self.rows = {process.pid: process for process in procfs.processes()}
        self._marks = {pid: procfs.environment(pid, (MARKER, CLUSTER_MARKER)) for pid in self.rows}

    def members(
        self,
        instance: str,
        main: int,
        main_ticks: int,
        *,
        working: tuple[str, str] = ("", ""),
        forks: Collection[int] = (),
    ) -> list[Process]:
        """Every live process of one instance: with its marker, in its session, of the name and in the folder
        `working`, among `forks`, or below one such.

        What is marked as another's is not, nor what is below that: a keeper, which a command has started in this
        instance, and all that the keeper has started.
        """
        leader = self.rows.get(main)
        # A session's number is not given away while anyone is in it; a leader with another start time is a stranger.
        ours = leader is None or leader.started_ticks == main_ticks
        found = {
            pid
            for pid, process in self.rows.items()
            if (ours and process.session == main)
            or pid in forks
            or self._marks[pid].get(MARKER) == instance
            or works(process, *working)
        }
        others = {pid for pid, mark in self._marks.items() if mark and mark.get(MARKER) != instance}
        below = procfs.descendants(self.rows.values(), found, stop=others)
        return [self.rows[pid] for pid in sorted(below) if pid in self.rows and pid != os.getpid()]

    def of(self, handle: Handle, folder: Path) -> list[Process]:
        """Every live process of a handle's instance; forks are registered in `folder`."""
        if handle.stop.alone:
            main = procfs.read(handle.pid)
            return [main] if main and is_alive(handle) else []
        return self.members(
            handle.instance,
            handle.pid if is_here(handle) else NOBODY,
            handle.started_ticks,
            working=(handle.stop.working_name, handle.stop.working_folder),
            forks=forks_of(folder, handle.instance),
        )

    def marked(self, root: str) -> dict[str, list[Process]]:
        """Every live process with the marker of the cluster at `root`, by instance."""
        found: dict[str, list[Process]] = {}
        for pid, mark in self._marks.items():
            if mark.get(CLUSTER_MARKER) == root and MARKER in mark:
                found.setdefault(mark[MARKER], []).append(self.rows[pid])
        return found


class Scans:
    """Scans in a thread: a machine may have thousands of processes. Who asks while one is made shares the next."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._begun = 0
        self._latest: tuple[int, Scan] | None = None

    async def fresh(self) -> Scan:
        """A scan that has begun after this call."""
        asked = self._begun
        async with self._one_at_a_time:
            if self._latest is None or self._latest[0] <= asked:
                self._begun += 1
                self._latest = self._begun, await asyncio.to_thread(Scan)
            return self._latest[1]
