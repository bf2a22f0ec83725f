"""Starting a service's process, and commands beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from daybreak.backends.base import CommandResult, Handle
from daybreak.backends.process import limits, procfs
from daybreak.backends.process.inherited import inherited, places
from daybreak.files import write_private
from daybreak.names import NOT_RUN_CODE, TIMED_OUT_CODE
from daybreak.paths import ClusterPaths
from daybreak.services.service import Joined, Secret, Service, log_path

MOST_OUTPUT = 4000


class Starter:
    """Starts processes with what services get beside what they set themselves, a shell's variables (`inherited`)."""

    def __init__(self, paths: ClusterPaths) -> None:
        self._paths = paths
        self.inherited: Mapping[str, str] = os.environ

    def prepare(self, service: Service, instance: str) -> None:
        """Remove what an earlier instance has left; make folders and files. Blocks, and may be repeated."""
        for stale in map(Path, service.discard):
            if stale.is_dir() and not stale.is_symlink():
                shutil.rmtree(stale, ignore_errors=True)
            else:
                stale.unlink(missing_ok=True)
        for folder in service.folders:
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in service.files:
            write_private(Path(file.path), file.text.replace("@INSTANCE@", instance), file.mode)

    def spawn(self, service: Service, instance: str, held: Sequence[int]) -> subprocess.Popen[bytes]:
        """Start its process in a session of its own, with its output in its log and the descriptors `held`."""
        variables = self.environment(service) | {
            procfs.MARKER: instance,
            procfs.CLUSTER_MARKER: str(self._paths.root),
            "DAYBREAK_SERVICE": service.name,
        }
        log = log_path(self._paths.logs, service.name)
        with open(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0) as output:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            output.write(f"{stamp} daybreak: starting {service.name} (instance {instance})\n".encode())
            return limits.spawn(
                service.argv,
                cwd=service.cwd,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=held,
            )

    async def run(
        self, service: Service, argv: Sequence[str], timeout_s: float, held: Sequence[int] = ()
    ) -> CommandResult:
        """Run a command with the service's environment and folder; it never outlives its deadline.

        Raises OSError where it is the keeper that lacks something to start it.
        """
        variables = self.environment(service) | {procfs.CLUSTER_MARKER: str(self._paths.root)}
        try:
            child = await asyncio.create_subprocess_exec(
                *argv,
                cwd=service.cwd if Path(service.cwd).is_dir() else None,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=held,
            )
        except OSError as error:
            if limits.lacking_to_start(error):
                raise
            return CommandResult(NOT_RUN_CODE, f"{argv[0]}: {error.strerror}")
        limits.give_back(child.pid)
        try:
            async with asyncio.timeout(timeout_s):
                output, _ = await child.communicate()
        except TimeoutError:
            return CommandResult(TIMED_OUT_CODE, f"no answer within {timeout_s:g} s")
        finally:
            if child.returncode is None:
                kill_group(child.pid)
                await child.wait()
        return CommandResult(child.returncode or 0, output.decode(errors="replace")[-MOST_OUTPUT:].strip())

    def environment(self, service: Service) -> dict[str, str]:
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


def handle_of(service: Service, pid: int, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
    """The handle of a process that was just started."""
    found = procfs.read(pid)
    return Handle.started(
        service,
        instance,
        generation,
        bound,
        at_wall=time.time(),
        pid=pid,
        # Our own unreaped child keeps its row even when it has already ended.
        started_ticks=found.started_ticks if found else 0,
        boot_id=procfs.boot_id(),
    )


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
