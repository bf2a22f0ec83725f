"""Starting a service's process, and commands beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from daybreak.backends.base import CommandResult, Handle
from daybreak.backends.process import limits, procfs
from daybreak.backends.process.commands import run_command
from daybreak.backends.process.inherited import inherited, places
from daybreak.files import write_private
from daybreak.paths import ClusterPaths
from daybreak.services.service import Joined, Secret, Service, log_path


class Starter:
    """Starts processes with what services get beside what they set themselves, a shell's variables (`inherited`)."""

    def __init__(self, paths: ClusterPaths) -> None:
        self._paths = paths
        self.inherited: Mapping[str, str] = os.environ

    def prepare(self, service: Service, instance: str) -> None:
        """Remove what an earlier instance has left; make folders and files. Blocks, and may be repeated."""
        known = () if service.comes_back else service.stop.deletes
        for stale in map(Path, (*service.discard, *known)):
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
            procfs.SERVICE_MARKER: service.name,
            procfs.TIER_MARKER: str(service.tier),
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
        return await run_command(
            argv,
            environment=self.environment(service) | {procfs.CLUSTER_MARKER: str(self._paths.root)},
            folder=service.cwd if Path(service.cwd).is_dir() else None,
            timeout_s=timeout_s,
            held=held,
        )

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
