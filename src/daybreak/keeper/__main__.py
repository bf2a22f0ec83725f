"""`python -m daybreak.keeper NAME`: become the keeper of a cluster, or end quietly where it has one."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
import time
from typing import IO

from daybreak.keeper import client
from daybreak.paths import ClusterPaths

NAP_S = 0.02
# As long as the command that started this one waits.
LOCK_DEADLINE_S = client.START_DEADLINE_S


def take(lock: IO[str], paths: ClusterPaths) -> bool:
    """Take the lock; False where another keeper answers. One that is just leaving is waited for."""
    deadline = time.monotonic() + LOCK_DEADLINE_S
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            answering = client.connect(paths)
            if answering:
                answering.close()
                return False
        time.sleep(NAP_S)
    return False


def leave_the_command() -> int:
    """Go on as a child of init; returns a pipe that takes one byte when all is imported.

    Programs look at their ancestors: below a `uv run` Ray's drivers make the project's environment that of all workers,
    and the command that happens to have started the keeper has no say in that. The process that the command waits for
    ends with 0 when it has the byte, and as the keeper did where that ends before.
    """
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        if os.read(reading, 1):
            os._exit(0)
        _, status = os.waitpid(child, 0)
        os._exit(max(1, os.waitstatus_to_exitcode(status)))
    os.close(reading)
    return writing


def main() -> int:
    paths = ClusterPaths.of(sys.argv[1])
    paths.ensure()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # The lock lives as long as the process: it cannot be stale, whatever the file says.
    lock = open(os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    if not take(lock, paths):
        return 0
    imported = leave_the_command()
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    # Only now: the imports of the rest take longer than finding out that there is a keeper already.
    from daybreak.keeper.daemon import Keeper
    from daybreak.keeper.orphans import adopt, collect_all

    adopt()

    with contextlib.suppress(OSError):
        os.write(imported, b".")
    os.close(imported)

    async def serve() -> None:
        await Keeper(paths).serve()

    asyncio.run(serve())
    collect_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
