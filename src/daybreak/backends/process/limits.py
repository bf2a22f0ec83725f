"""How many files the keeper may have open, and when it is the keeper itself that lacks something.

The keeper takes as many as the system lets it; what it starts gets the limit that was there before: programs choose by
it, and some close every number below it one by one.
"""

from __future__ import annotations

import contextlib
import errno
import resource
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

# Files, memory, disk. A service that refuses, hangs or answers wrongly shows none of these.
_LACKS = {
    errno.EMFILE: "open files",
    errno.ENFILE: "open files on this machine",
    errno.ENOMEM: "memory",
    errno.ENOBUFS: "memory for sockets",
    errno.ENOSPC: "space on its disk",
}
# The way in which the system says that there may be no more processes, or threads.
_NO_THREAD = "can't start new thread"
_given: tuple[int, int] | None = None


def raise_open_files() -> None:
    """From now on this process may have as many files open as the system allows it."""
    global _given
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            _given = soft, hard


def spawn(argv: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
    """`subprocess.Popen` with the limit that this process was given itself."""
    if _given is None:
        return subprocess.Popen(argv, **how)
    try:
        with _as_given(_given):
            return subprocess.Popen(argv, **how)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
    child = subprocess.Popen(argv, **how)
    give_back(child.pid)
    return child


@contextlib.contextmanager
def _as_given(given: tuple[int, int]) -> Iterator[None]:
    """A child takes over the limit of the moment it is made; files that are open stay open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, given)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (given[1], given[1]))


def give_back(pid: int) -> None:
    """Give a child the limit that this process was given; what it has started by now keeps the other."""
    if _given is not None:
        with contextlib.suppress(OSError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _given)


def lacking(error: BaseException) -> str:
    """What this process itself lacks, in words, where that made the error; empty where it was something else."""
    if isinstance(error, MemoryError):
        return _LACKS[errno.ENOMEM]
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return "threads"
    return _LACKS.get(error.errno or 0, "") if isinstance(error, OSError) else ""


def lacking_to_start(error: OSError) -> str:
    """The same for an error of starting a process: the system says `try again` where there may be no more of them."""
    return "processes" if error.errno == errno.EAGAIN else lacking(error)
