"""What runs out: space, files that the keeper may open, processes, memory."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.faults import groups
from bench.faults.floods import asking
from bench.faults.target import Look, Target
from bench.faults.victims import VICTIMS

SHM = Path("/dev/shm")
# A larger one belongs to the whole machine, and to everybody on it.
MOST_BYTES = 4 * 1024**3
BLOCK = b"\0" * (1024 * 1024)
# The last bytes are taken up again whenever somebody has given some back.
LAST = b"\0" * 4096
FILLER = ".filler"
SPARE_FILES = 3
HOG_MB, HOGS, HOG_S = 800, 4, 2.0
REPLICA = next(victim for victim in VICTIMS if victim.name == "replica")

Place = Callable[[Target], Path]
PLACES: dict[str, Place] = {
    "state": lambda target: target.paths.root,
    "runtime": lambda target: target.paths.runtime,
    "data": lambda target: target.paths.data,
    "shm": lambda _: SHM,
}


def not_small(place: str) -> Callable[[Target], str]:
    """Says so where filling the folder would harm more than the cluster."""

    def against(target: Target) -> str:
        found = os.statvfs(PLACES[place](target))
        if (size := found.f_blocks * found.f_frsize) > MOST_BYTES:
            return f"{PLACES[place](target)} is not a small file system of its own"
        return "" if size else f"{PLACES[place](target)} has no size"

    return against


def full(place: str) -> Callable[[Target], contextlib.AbstractContextManager[None]]:
    """Not a byte is left in the file system of that folder."""

    @contextlib.contextmanager
    def during(target: Target) -> Iterator[None]:
        filler = PLACES[place](target) / FILLER
        descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for block in (BLOCK, LAST, b"\0"):
                _fill(descriptor, block)
            yield
        finally:
            os.close(descriptor)
            filler.unlink()

    return during


def _fill(descriptor: int, block: bytes) -> None:
    try:
        while os.write(descriptor, block):
            pass
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


@contextlib.contextmanager
def no_files_for_the_keeper(target: Target) -> Iterator[None]:
    """It may open no more than a few files more than it has open now."""
    pid = target.status()["keeper_pid"]
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    opened = {int(number) for number in os.listdir(f"/proc/{pid}/fd")}
    # What is limited is the number that a new one gets, which is the lowest that is free.
    free = [number for number in range(len(opened) + SPARE_FILES) if number not in opened]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[SPARE_FILES - 1] + 1, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def no_processes(target: Target) -> Iterator[None]:
    """Keeper and cluster may have no process, and no thread, more than they have now."""
    look = target.look()
    pids = [look.status["keeper_pid"], *(one.pid for one in look.processes)]
    with groups.together(groups.PIDS, pids) as folder:
        (folder / "pids.max").write_text((folder / "pids.current").read_text())
        try:
            yield
        finally:
            (folder / "pids.max").write_text("max")


def no_memory(place: str) -> Callable[[Target], contextlib.AbstractContextManager[None]]:
    """A replica (or all processes of a worker node, and the replicas) gets half of what a request of it takes."""

    @contextlib.contextmanager
    def during(target: Target) -> Iterator[None]:
        look = target.look()
        pids = replicas(look) if place == "replica" else [*replicas(look), *(one.pid for one in look.of("worker"))]
        with groups.together(groups.MEMORY, pids[:1] if place == "replica" else pids) as folder:
            (folder / "memory.limit_in_bytes").write_text(str(HOG_MB // 2 * 1024 * 1024))
            # Several times: which of the replicas is asked is not known.
            with contextlib.ExitStack() as stack:
                for _ in range(HOGS):
                    stack.enter_context(asking("/hog", HOG_S, megabytes=HOG_MB, seconds=HOG_S)(target))
                yield

    return during


def replicas(look: Look) -> list[int]:
    """At least one. Raises LookupError where there is none."""
    found = [pid for group in REPLICA.find(look) for pid in group]
    if not found:
        raise LookupError("no replica runs")
    return found
