"""Limits on open files and processes, of this user and of the running keeper."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

from daybreak.backends.process.procfs import PROC
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, note, ok, warning

# A raylet alone has 70 files open; Ray raises the soft limit itself, and warns below 4096.
FEWEST_FILES = 1024
FEW_FILES = 4096
RAY_RECOMMENDS = 8192
# Measured: a head with dashboard, one worker and one application have 494 threads.
THREADS_OF_HEAD = 400
THREADS_OF_WORKER = 130


def look(case: Case) -> Iterator[Finding]:
    """The hard limit on files, since Ray goes up to it, and what is left of the limit on processes."""
    # What the keeper has is what its services get, whatever this shell has.
    pid = case.keeper_pid or 0
    _, files = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    yield from judge_files(files)
    needed = 0 if case.running else threads_of(case.spec.workers.count)
    soft, _ = resource.prlimit(pid, resource.RLIMIT_NPROC)
    # The kernel does not hold root to it.
    if soft != resource.RLIM_INFINITY and os.geteuid() != 0:
        yield from judge_threads(soft, _threads_of_user(os.getuid()), needed, "of this user", "ulimit -u unlimited")
    running, most = _threads_of_all()
    yield from judge_threads(most, running, needed, "of the machine", "sudo sysctl kernel.pid_max=4194304")


def threads_of(workers: int) -> int:
    """About how many threads a cluster has."""
    return THREADS_OF_HEAD + workers * THREADS_OF_WORKER


def judge_files(hard: int) -> Iterator[Finding]:
    """`hard` is the limit that a process may raise its own to."""
    mend = (
        f"ulimit -n {RAY_RECOMMENDS}",
        "# for good: `nofile` in /etc/security/limits.conf, docker run --ulimit nofile=",
    )
    if hard != resource.RLIM_INFINITY and hard < FEWEST_FILES:
        yield error(f"a process may open {hard} files", "raylet and GCS end where they cannot open one", *mend)
    elif hard != resource.RLIM_INFINITY and hard < FEW_FILES:
        yield warning(f"a process may open {hard} files", f"Ray recommends {RAY_RECOMMENDS}: connections fail", *mend)
    else:
        yield ok(f"a process may open {'any number of' if hard == resource.RLIM_INFINITY else hard} files")


def judge_threads(limit: int, used: int, needed: int, whose: str, mend: str) -> Iterator[Finding]:
    """`needed` is how many the cluster would still start."""
    found = f"{used} of {limit} threads {whose} are in use"
    if limit - used < needed:
        yield error(
            f"{found}, the cluster needs about {needed}", "Ray's processes abort where they cannot start a thread", mend
        )
    elif limit - used < limit // 10:
        yield note(found, "Ray's processes abort where they cannot start a thread", mend)
    else:
        yield ok(found)


def _threads_of_user(uid: int) -> int:
    total = 0
    for name in filter(str.isdigit, os.listdir(PROC)):
        try:
            if (PROC / name).stat().st_uid == uid:
                total += len(os.listdir(PROC / name / "task"))
        except OSError:
            continue  # it has ended meanwhile
    return total


def _threads_of_all() -> tuple[int, int]:
    """How many there are, and how many there may be."""
    running = int((PROC / "loadavg").read_text().split()[3].partition("/")[2])
    limits = [int((PROC / "sys/kernel" / name).read_text()) for name in ("pid_max", "threads-max")]
    return running, min(limits)
