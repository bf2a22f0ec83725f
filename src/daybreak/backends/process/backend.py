"""The process backend: services are plain processes of this machine. Needs nothing but Python on Linux."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from daybreak.backends.base import CommandResult, Exit, Handle, State, Stopped
from daybreak.backends.process import procfs
from daybreak.backends.process.blame import first_to_end
from daybreak.backends.process.claim import claim, require_free
from daybreak.backends.process.commands import kill_group
from daybreak.backends.process.exits import exit_reason, first_lost
from daybreak.backends.process.freezing import Freezer
from daybreak.backends.process.members import Scan, Scans, forks_of, is_alive
from daybreak.backends.process.pidfd import wait_all
from daybreak.backends.process.purging import purge
from daybreak.backends.process.records import Records
from daybreak.backends.process.starting import Starter, handle_of
from daybreak.backends.process.stopping import Stop
from daybreak.errors import ServiceDied
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service, Tier, log_path

# What watches a node's processes ends this long, at most, after it has killed what was left of them.
FOLLOWS_S = 0.5


class ProcessBackend:
    """Starts, stops and finds the processes of one cluster."""

    def __init__(self, paths: ClusterPaths) -> None:
        self._paths = paths
        self._records = Records(paths.records)
        self._starter = Starter(paths)
        self._scans = Scans()
        self.freezer = Freezer(self._scans, paths.forks)
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def inherit(self, environment: Mapping[str, str]) -> None:
        """From now on what is started gets these variables beside what services set themselves."""
        self._starter.inherited = environment

    def children(self) -> list[int]:
        """The processes that were started here, and whose exit codes will be asked for."""
        return list(self._children)

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        """Start the service's process in a session of its own; its output goes to the service's log file."""
        log = log_path(self._paths.logs, service.name)
        try:
            async with self._claimed(service) as held:
                await asyncio.to_thread(self._starter.prepare, service, instance)
                # From here on nothing waits: a start that is cancelled leaves nothing.
                child = self._starter.spawn(service, instance, held)
        except OSError as error:
            raise _not_started(service, log, error) from error
        self._children[child.pid] = child
        handle = handle_of(service, child.pid, instance, generation, bound)
        try:
            self._records.save(handle)
        except OSError as error:
            # Without a record nobody would end it.
            kill_group(child.pid)
            child.wait()
            raise _not_started(service, log, error) from error
        return handle

    async def stop(self, handle: Handle) -> Stopped:
        """End every process of the instance and forget it; see StopPolicy for the order."""
        began = time.monotonic()
        killed = 0
        if handle.boot_id == procfs.boot_id():
            killed = await self._end(handle)
            self._reap(handle.pid)
            self._children.pop(handle.pid, None)
        for folder in handle.stop.deletes:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        self._records.forget(handle)
        return Stopped(after_s=time.monotonic() - began, killed=killed)

    async def _end(self, handle: Handle) -> int:
        """Its record says so meanwhile: whoever finds it after this keeper was killed must not take for a service what
        may have lost half of its processes."""
        recorded = self._records.has(handle)
        if recorded:
            await asyncio.to_thread(self._records.update, handle.in_state(State.BROKEN))
        stop = Stop(handle, self._scans, self._paths.forks)
        try:
            return await stop.run()
        except Exception:
            if recorded and not stop.begun:
                await asyncio.to_thread(self._records.update, handle)
            raise

    async def exited(self, handle: Handle) -> Exit:
        """Wait for the end of the main process, or of one that the service cannot live without."""
        ended, name = handle.pid, "main"
        child = self._children.get(handle.pid)
        # A child whose first thread has ended looks dead while its other threads still end: its exit code comes later.
        if is_alive(handle) or (child is not None and child.poll() is None):
            ended, name = await first_lost(
                handle.pid, frozenset(handle.vital), lambda: forks_of(self._paths.forks, handle.instance)
            )
        if ended != handle.pid:
            # Whose end is noticed is chance: who had the others killed says who went first, and ends a moment later.
            await wait_all([handle.pid], timeout_s=FOLLOWS_S)
            return Exit(None, f"lost its {self._first_of(handle) or f'{name} process (pid {ended})'}")
        code = self._reap(handle.pid)
        left = handle.ended(clean=code == 0)
        if left.state is State.COMPLETED:
            self._records.update(left)
        first = self._first_of(handle) if code else ""
        return Exit(code, f"lost its {first}" if first else exit_reason(code))

    async def observe(self) -> Sequence[Handle]:
        """Every recorded instance that is still there, and those a crash left without a record."""
        scan = await self._scans.fresh()
        return await asyncio.to_thread(self._observe, scan)

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        """Run a command with the service's environment and folder; it never outlives its deadline.

        Raises ServiceDied for a preparation of data that another server uses, OSError where the keeper itself lacks
        something.
        """
        if tuple(argv) in [step.argv for step in service.prepare]:
            async with self._claimed(service) as held:
                return await self._starter.run(service, argv, timeout_s, held)
        return await self._starter.run(service, argv, timeout_s)

    async def purge(self, services: Sequence[str]) -> None:
        """Delete the stored data of the named services; raises DaybreakError where it is used, and deletes nothing, and
        where not all of it can be deleted."""
        for name in services:
            await asyncio.to_thread(require_free, self._lock_of(name), name)
        await asyncio.to_thread(purge, self._paths.data, services)

    @contextlib.asynccontextmanager
    async def _claimed(self, service: Service) -> AsyncIterator[tuple[int, ...]]:
        """What the process inherits so that it alone uses its data: nothing where others may."""
        if not service.exclusive:
            yield ()
            return
        held = await claim(self._lock_of(service.name), service)
        try:
            yield (held,)
        finally:
            os.close(held)

    def _lock_of(self, service: str) -> Path:
        return self._paths.root / f"{service}.lock"

    def _observe(self, scan: Scan) -> list[Handle]:
        found: list[Handle] = []
        for handle in self._records.load():
            if handle.boot_id != procfs.boot_id():
                self._records.forget(handle)  # the machine was restarted: nothing of it can be running
            elif handle.state in (State.COMPLETED, State.BROKEN) or is_alive(handle):
                found.append(handle)
            else:
                found.append(handle.in_state(State.BROKEN))
        known = {handle.instance for handle in found}
        marked = scan.marked(str(self._paths.root))
        return found + [_unrecorded(instance, rows) for instance, rows in marked.items() if instance not in known]

    def _first_of(self, handle: Handle) -> str:
        """The process of a node that ended before all others, where its log names it."""
        return first_to_end(log_path(self._paths.logs, handle.service)) if handle.vital else ""

    def _reap(self, pid: int) -> int | None:
        """The exit code where the process was our child and has ended; None where it cannot be known.

        It may be asked for several times: the wait for readiness and the supervisor both watch the same process.
        """
        child = self._children.get(pid)
        return child.poll() if child is not None else None


def _not_started(service: Service, log: Path, error: OSError) -> ServiceDied:
    why = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    return ServiceDied(f"{service.name} could not be started: {why}", service=service.name, log=str(log))


def _unrecorded(instance: str, rows: Sequence[procfs.Process]) -> Handle:
    """A handle for processes whose start was cut off before it was recorded: good for stopping them, no more."""
    oldest = min(rows, key=lambda process: process.started_ticks)
    told = procfs.environment(oldest.pid, (procfs.SERVICE_MARKER, procfs.TIER_MARKER))
    return Handle(
        service=told.get(procfs.SERVICE_MARKER, "unknown"),
        tier=told.get(procfs.TIER_MARKER, str(Tier.APP)),
        instance=instance,
        fingerprint="",
        pid=oldest.session if any(p.pid == oldest.session for p in rows) else oldest.pid,
        started_ticks=oldest.started_ticks,
        boot_id=procfs.boot_id(),
        started_wall=0.0,
        generation=0,
        state=State.BROKEN,
    )
