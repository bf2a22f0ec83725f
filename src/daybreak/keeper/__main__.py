"""`python -m daybreak.keeper NAME`: become the keeper of a cluster, or end quietly where it has one."""

from __future__ import annotations

import asyncio
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


def main() -> int:
    paths = ClusterPaths.of(sys.argv[1])
    paths.ensure()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # The lock lives as long as the process: it cannot be stale, whatever the file says.
    lock = open(os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    if not take(lock, paths):
        return 0
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    # Only now: the imports of the rest take longer than finding out that there is a keeper already.
    from daybreak.keeper.daemon import Keeper

    async def serve() -> None:
        await Keeper(paths).serve()

    asyncio.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
