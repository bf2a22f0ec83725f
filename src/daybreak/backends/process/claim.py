"""A lock on what one server alone may use, such as a database's data folder.

The server itself holds it, by a descriptor that it has inherited, as long as any of its processes lives. The kernel
tells everybody who sees the file, also in another container or pid namespace, where a pid in a file means nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from daybreak.backends.process import procfs
from daybreak.backends.process.members import works
from daybreak.backends.process.pidfd import PidFd, wait_all
from daybreak.errors import DaybreakError, ServiceDied
from daybreak.services.service import Service

# Until processes that are ending have ended.
WAIT_S = 10.0
HINT = "end that server where it was started; as long as it runs it holds {}"
# Some network file systems know no such locks: everything works as it would without one.
UNKNOWN = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


async def claim(path: Path, service: Service, wait_s: float = WAIT_S) -> int:
    """A descriptor that holds the lock, for the service's process to inherit; whoever has handed it on closes it.

    What a killed server has left behind is ended. Raises ServiceDied where another server has the lock, OSError where
    the file cannot be opened.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not await _lock(fd, path, service, wait_s):
            raise ServiceDied(
                _taken(path, service.name, "is not started"), service=service.name, hint=HINT.format(path)
            )
    except BaseException:
        os.close(fd)
        raise
    return fd


def require_free(path: Path, name: str) -> None:
    """Raises DaybreakError where a server has the lock: what it uses must not be deleted under it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not _is_locked(fd):
            raise DaybreakError(_taken(path, name, "is not deleted"), hint=HINT.format(path))
    finally:
        os.close(fd)


async def _lock(fd: int, path: Path, service: Service, wait_s: float) -> bool:
    """False where somebody who cannot be seen has it, or somebody who can has it for longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while not _is_locked(fd):
                holders = await asyncio.to_thread(_holders, path)
                if not holders:
                    return _is_locked(fd)  # whoever had it may have ended since
                _end_orphans(holders, service)
                await wait_all([process.pid for process in holders])
            return True
    return False


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
    return True


def _holders(path: Path) -> list[procfs.Process]:
    """Who else has the file open, as far as it can be seen from here."""
    name, own = os.path.realpath(path), os.getpid()
    return [row for row in procfs.processes() if row.pid != own and name in procfs.open_files(row.pid)]


def _end_orphans(holders: Sequence[procfs.Process], service: Service) -> None:
    """Kill what a server that was killed has left busy: no session and no marker tells whose it is."""
    stop = service.stop
    workers = [process for process in holders if works(process, stop.working_name, stop.working_folder)]
    pids = {process.pid for process in workers}
    if any(process.parent in pids for process in workers):
        return  # their server lives
    for process in workers:
        with PidFd(process.pid, process.started_ticks) as found:
            found.send(signal.SIGKILL)


def _taken(path: Path, name: str, what: str) -> str:
    holders = ", ".join(f"{process.comm} (pid {process.pid})" for process in _holders(path))
    where = f"by {holders}" if holders else "in another container, pid namespace or machine"
    return f"{name} {what}: its data is in use {where}"
