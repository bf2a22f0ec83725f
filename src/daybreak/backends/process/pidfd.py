"""Waiting for processes without polling: a pidfd becomes readable when its process ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from daybreak.backends.process import procfs


class PidFd:
    """A handle on one very process: signals cannot reach another that got its number later.

    `started_ticks` guards the moment of opening; a process that has gone makes a handle that does nothing.
    """

    def __init__(self, pid: int, started_ticks: int | None = None) -> None:
        self.fd = -1
        try:
            self.fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        found = procfs.read(pid)
        if started_ticks is not None and (found is None or found.started_ticks != started_ticks):
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that has gone, or is not ours to signal, is left alone."""
        if self.fd >= 0:
            try:
                signal.pidfd_send_signal(self.fd, number)
            except (ProcessLookupError, PermissionError):
                pass

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def signal_each(rows: Sequence[procfs.Process], number: signal.Signals) -> None:
    """Send these processes a signal, those of them that are still the same."""
    for process in rows:
        with PidFd(process.pid, process.started_ticks) as fd:
            fd.send(number)


async def wait_all(pids: Sequence[int], *, timeout_s: float | None = None, any_one: bool = False) -> int:
    """Wait until all processes (or, with `any_one`, the first) have ended, or the timeout has passed.

    Returns the pid that ended last (first with `any_one`), 0 after a timeout.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[int] = loop.create_future()
    open_fds: dict[int, PidFd] = {}

    def ended(pid: int) -> None:
        loop.remove_reader(open_fds[pid].fd)
        open_fds.pop(pid).close()
        if (any_one or not open_fds) and not done.done():
            done.set_result(pid)

    try:
        for pid in pids:
            handle = PidFd(pid)
            if handle.fd < 0:
                if any_one:
                    return pid
                continue
            open_fds[pid] = handle
            loop.add_reader(handle.fd, ended, pid)
        if not open_fds:
            return 0
        await asyncio.wait([done], timeout=timeout_s)
        return done.result() if done.done() else 0
    finally:
        for handle in open_fds.values():
            loop.remove_reader(handle.fd)
            handle.close()
