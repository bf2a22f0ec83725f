"""`python -m daybreak.keeper NAME`: become the keeper of a cluster, or end quietly where it has one."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys

from daybreak.paths import ClusterPaths


def main() -> int:
    paths = ClusterPaths.of(sys.argv[1])
    paths.ensure()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # The lock lives as long as the process: it cannot be stale, whatever the file says.
    lock = open(os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
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
