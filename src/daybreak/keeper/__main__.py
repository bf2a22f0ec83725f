"""`python -m daybreak.keeper NAME`: become the keeper of a cluster, or end quietly where it has one."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import sys
import time
from typing import IO

from daybreak.keeper.control import client
from daybreak.naps import naps
from daybreak.paths import ClusterPaths
from daybreak.programs.common.collector import resting

NAP_S = 0.02
# As long as the command that started this one waits.
LOCK_DEADLINE_S = client.START_DEADLINE_S
# Python's own; it sets them back for the programs that it starts.
OF_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}


def take(lock: IO[str], paths: ClusterPaths) -> bool:
    """Take the lock; False where another keeper answers. One that is just leaving is waited for."""
    for _ in naps(time.monotonic() + LOCK_DEADLINE_S, first_s=NAP_S, longest_s=NAP_S):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            answering = client.connect(paths)
            if answering:
                answering.close()
                return False
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
        code = os.waitstatus_to_exitcode(status)
        os._exit(client.KILLED - code if code < 0 else max(1, code))
    os.close(reading)
    return writing


def settle_signals() -> None:
    """A terminal's signals end no keeper, and services find all signals as the kernel gives them.

    What is ignored or blocked is so in programs that are started as well, where Python makes no KeyboardInterrupt of an
    ignored SIGINT, and `ray.cancel` needs one. `nohup`, or a shell's `&`, before the command is not meant for services.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - OF_PYTHON:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _nothing)


def _nothing(*_: object) -> None:
    pass


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
    settle_signals()

    # Only now: the imports of the rest take longer than finding out that there is a keeper already.
    with resting():
        from daybreak.backends.process.limits import raise_open_files
        from daybreak.keeper.daemon import Keeper
        from daybreak.keeper.housekeeping.runtime_cleanup import spare
        from daybreak.keeper.loop_errors import Sparing
        from daybreak.keeper.supervision.orphans import adopt, collect_all
    # What was imported stays: it is never looked through for garbage.
    gc.freeze()

    raise_open_files()
    adopt()
    spared = spare(paths.runtime)

    with contextlib.suppress(OSError):
        os.write(imported, b".")
    os.close(imported)

    async def serve() -> None:
        asyncio.get_running_loop().set_exception_handler(Sparing())
        await Keeper(paths).serve()

    asyncio.run(serve())
    os.close(spared)
    collect_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
