"""The process backend: services are plain processes of this machine. Needs nothing but Python on Linux."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from daybreak.backends import procfs
from daybreak.backends.base import CommandResult, Exit, Handle, State, Stopped
from daybreak.backends.blame import first_to_end
from daybreak.backends.claim import claim, require_free
from daybreak.backends.inherited import inherited, places
from daybreak.backends.pidfd import PidFd, wait_all
from daybreak.backends.records import Records, write_private
from daybreak.errors import DaybreakError, ServiceDied
from daybreak.paths import ClusterPaths
from daybreak.services.base import Joined, Secret, Service, log_path
from daybreak.services.helpers import TRACKER, is_helper

KILL_DEADLINE_S = 15.0
TIMED_OUT_CODE = 124
# What watches a node's processes ends this long, at most, after it has killed what was left of them.
FOLLOWS_S = 0.5
# The pid, and the session, of no process.
NOBODY = -1


class ProcessBackend:
    """Starts, stops and finds the processes of one cluster."""

    def __init__(self, paths: ClusterPaths) -> None:
        self._paths = paths
        self._records = Records(paths.records)
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        # What services get beside what they set themselves: a shell's variables.
        self.inherited: Mapping[str, str] = os.environ

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        """Start the service's process in a session of its own; its output goes to the service's log file."""
        log = log_path(self._paths.logs, service.name)
        try:
            async with self._claimed(service) as held:
                child = self._spawn(service, instance, log, held)
        except OSError as error:
            raise _not_started(service, log, error) from error
        self._children[child.pid] = child
        handle = self._handle(service, child.pid, instance, generation, bound)
        try:
            self._records.save(handle)
        except OSError as error:
            # Without a record nobody would end it.
            _kill_group(child.pid)
            child.wait()
            raise _not_started(service, log, error) from error
        return handle

    def children(self) -> list[int]:
        """The processes that were started here, and whose exit codes will be asked for."""
        return list(self._children)

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

    def _spawn(self, service: Service, instance: str, log: Path, held: Sequence[int]) -> subprocess.Popen[bytes]:
        for stale in map(Path, service.discard):
            if stale.is_dir() and not stale.is_symlink():
                shutil.rmtree(stale, ignore_errors=True)
            else:
                stale.unlink(missing_ok=True)
        for folder in service.folders:
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in service.files:
            write_private(Path(file.path), file.text.replace("@INSTANCE@", instance), file.mode)
        environment = self._environment(service) | {
            procfs.MARKER: instance,
            procfs.CLUSTER_MARKER: str(self._paths.root),
            "DAYBREAK_SERVICE": service.name,
        }
        with open(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0) as output:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            output.write(f"{stamp} daybreak: starting {service.name} (instance {instance})\n".encode())
            return subprocess.Popen(
                service.argv,
                cwd=service.cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=held,
            )

    def _handle(self, service: Service, pid: int, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        found = procfs.read(pid)
        return Handle(
            service=service.name,
            tier=str(service.tier),
            instance=instance,
            fingerprint=service.fingerprint(),
            pid=pid,
            # Our own unreaped child keeps its row even when it has already ended.
            started_ticks=found.started_ticks if found else 0,
            boot_id=procfs.boot_id(),
            started_wall=time.time(),
            generation=generation,
            bound=dict(bound),
            stop=service.stop,
            vital=service.vital,
            one_shot=service.one_shot,
            may_end=service.may_end,
        )

    async def stop(self, handle: Handle) -> Stopped:
        """End every process of the instance and forget it; see StopPolicy for the order."""
        began = time.monotonic()
        killed = 0
        if handle.boot_id == procfs.boot_id():
            killed = await self._end(handle, began)
            self._reap(handle.pid)
            self._children.pop(handle.pid, None)
        self._records.forget(handle)
        return Stopped(after_s=time.monotonic() - began, killed=killed)

    async def _end(self, handle: Handle, began: float) -> int:
        """Signal, wait for the grace period, kill what is left; returns how many ordinary processes were killed."""
        policy = handle.stop
        asked: set[int] = set()
        killed: set[int] = set()
        while left := self._members(handle):
            now = time.monotonic()
            if now - began > policy.grace_s + KILL_DEADLINE_S:
                pids = ", ".join(f"{p.comm} ({p.pid})" for p in left)
                raise DaybreakError(f"{handle.service}: processes do not end even when killed: {pids}")
            ordinary = [p for p in left if not self._comes_afterwards(p.pid, handle)]
            overdue = now - began >= policy.grace_s
            if overdue or not ordinary:
                if overdue:
                    killed.update(p.pid for p in ordinary)
                # What clears up after the others has until they have gone, and a moment more.
                first = [p for p in left if TRACKER not in procfs.command_line(p.pid)]
                self._signal(first, signal.SIGKILL)
                await wait_all([p.pid for p in left], timeout_s=1.0)
                if not first:
                    self._signal(left, signal.SIGKILL)
                continue
            # A fork is signalled through its launcher; one that has lost it must go, as the template sees to, too.
            forks = self._forks()
            self._signal([p for p in left if p.pid in forks and not forks[p.pid].has_launcher], signal.SIGKILL)
            asking = [p for p in ordinary if p.pid not in asked and p.pid not in forks]
            if policy.main_only and _is_alive(handle):
                asking = [p for p in asking if p.pid == handle.pid]
            self._signal(asking, signal.Signals[policy.signal])
            asked.update(p.pid for p in asking)
            await wait_all([p.pid for p in ordinary], timeout_s=max(0.0, policy.grace_s - (now - began)))
        return len(killed)

    async def exited(self, handle: Handle) -> Exit:
        """Wait for the end of the main process, or of one that the service cannot live without."""
        watched = {handle.pid: "main"}
        for process in self._members(handle) if handle.vital else ():
            if process.comm in handle.vital:
                watched[process.pid] = process.comm
        ended = handle.pid
        child = self._children.get(handle.pid)
        # A child whose first thread has ended looks dead while its other threads still end: its exit code comes later.
        if _is_alive(handle) or (child is not None and child.poll() is None):
            ended = await wait_all(list(watched), any_one=True)
        role = watched[ended]
        if ended != handle.pid:
            # Whose end is noticed is chance: who had the others killed says who went first, and ends a moment later.
            await wait_all([handle.pid], timeout_s=FOLLOWS_S)
            return Exit(None, f"lost its {self._first_of(handle) or f'{role} process (pid {ended})'}")
        code = self._reap(handle.pid)
        left = handle.ended(clean=code == 0)
        if left.state is State.COMPLETED:
            self._records.save(left)
        first = self._first_of(handle) if code else ""
        return Exit(code, f"lost its {first}" if first else _exit_reason(code))

    def _first_of(self, handle: Handle) -> str:
        """The process of a node that ended before all others, where its log names it."""
        return first_to_end(log_path(self._paths.logs, handle.service)) if handle.vital else ""

    async def observe(self) -> Sequence[Handle]:
        """Every recorded instance that is still there, and those a crash left without a record."""
        found: list[Handle] = []
        for handle in self._records.load():
            if handle.boot_id != procfs.boot_id():
                self._records.forget(handle)  # the machine was restarted: nothing of it can be running
            elif handle.state is State.COMPLETED or _is_alive(handle):
                found.append(handle)
            else:
                found.append(handle.in_state(State.BROKEN))
        known = {handle.instance for handle in found}
        for instance, rows in procfs.marked(str(self._paths.root)).items():
            if instance not in known:
                found.append(_unrecorded(instance, rows))
        return found

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        """Run a command with the service's environment and folder; it never outlives its deadline.

        Raises ServiceDied for a preparation of data that another server uses.
        """
        if tuple(argv) in [step.argv for step in service.prepare]:
            async with self._claimed(service) as held:
                return await self._run(service, argv, timeout_s, held)
        return await self._run(service, argv, timeout_s)

    async def _run(
        self, service: Service, argv: Sequence[str], timeout_s: float, held: Sequence[int] = ()
    ) -> CommandResult:
        environment = self._environment(service) | {procfs.CLUSTER_MARKER: str(self._paths.root)}
        cwd = service.cwd if Path(service.cwd).is_dir() else None
        try:
            child = await asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=held,
            )
        except OSError as error:
            return CommandResult(127, f"{argv[0]}: {error.strerror}")
        try:
            async with asyncio.timeout(timeout_s):
                output, _ = await child.communicate()
        except TimeoutError:
            return CommandResult(TIMED_OUT_CODE, f"no answer within {timeout_s:g} s")
        finally:
            if child.returncode is None:
                _kill_group(child.pid)
                await child.wait()
        return CommandResult(child.returncode or 0, output.decode(errors="replace")[-4000:].strip())

    async def purge(self, services: Sequence[str]) -> None:
        """Delete the stored data of the named services; raises DaybreakError, and deletes nothing, where it is used."""
        for name in services:
            require_free(self._lock_of(name), name)
        for name in services:
            await asyncio.to_thread(shutil.rmtree, self._paths.data / name, True)

    def _environment(self, service: Service) -> dict[str, str]:
        """What is inherited, with the service's own on top; secrets are read from their files now."""
        found = inherited(self.inherited) | places()
        for key, value in service.env.items():
            match value:
                case Secret():
                    found[key] = Path(value.path).read_text().strip()
                case Joined():
                    rest = found.get(key)
                    found[key] = f"{value.value}{value.separator}{rest}" if rest else value.value
                case str():
                    found[key] = value
        return found

    def _members(self, handle: Handle) -> list[procfs.Process]:
        if handle.stop.alone:
            main = procfs.read(handle.pid)
            return [main] if main and _is_alive(handle) else []
        return procfs.members(
            handle.instance,
            handle.pid if _is_here(handle) else NOBODY,
            handle.started_ticks,
            working=(handle.stop.working_name, handle.stop.working_folder),
            forks=[pid for pid, fork in self._forks().items() if fork.instance == handle.instance],
        )

    def _forks(self) -> dict[int, procfs.Fork]:
        """Processes forked from the template: neither session nor environment shows whose they are."""
        return procfs.forks(self._paths.forks)

    @staticmethod
    def _comes_afterwards(pid: int, handle: Handle) -> bool:
        return is_helper(procfs.command_line(pid), handle.stop.afterwards)

    @staticmethod
    def _signal(rows: Sequence[procfs.Process], number: signal.Signals) -> None:
        for process in rows:
            with PidFd(process.pid, process.started_ticks) as fd:
                fd.send(number)

    def _reap(self, pid: int) -> int | None:
        """The exit code where the process was our child and has ended; None where it cannot be known.

        It may be asked for several times: the wait for readiness and the supervisor both watch the same process.
        """
        child = self._children.get(pid)
        return child.poll() if child is not None else None


def _is_here(handle: Handle) -> bool:
    """Does its pid mean something to us? A cluster's state may be seen from several containers."""
    return handle.namespace in ("", procfs.pid_namespace())


def _is_alive(handle: Handle) -> bool:
    return _is_here(handle) and procfs.alive(handle.pid, handle.started_ticks)


def _not_started(service: Service, log: Path, error: OSError) -> ServiceDied:
    why = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    return ServiceDied(f"{service.name} could not be started: {why}", service=service.name, log=str(log))


def _exit_reason(code: int | None) -> str:
    if code is None:
        return "ended (exit code unknown: it was started by an earlier keeper)"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"


def _unrecorded(instance: str, rows: Sequence[procfs.Process]) -> Handle:
    """A handle for processes whose start was cut off before it was recorded: good for stopping them, no more."""
    oldest = min(rows, key=lambda process: process.started_ticks)
    return Handle(
        service=procfs.environment(oldest.pid, ("DAYBREAK_SERVICE",)).get("DAYBREAK_SERVICE", "unknown"),
        tier="app",
        instance=instance,
        fingerprint="",
        pid=oldest.session if any(p.pid == oldest.session for p in rows) else oldest.pid,
        started_ticks=oldest.started_ticks,
        boot_id=procfs.boot_id(),
        started_wall=0.0,
        generation=0,
        state=State.BROKEN,
    )


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
