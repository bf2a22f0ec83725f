"""Limits of control groups, as in containers: CPU, memory and number of threads, version 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.diagnoses.limits import threads_of
from daybreak.extras.doctor.finding import Finding, note, ok, warning
from daybreak.machine import cgroups
from daybreak.show.text import size

THROTTLED_SHARE = 0.25
MEMORY_SHARE = 0.9


@dataclass(frozen=True)
class Limits:
    """What the groups say. `memory` and `threads` hold limit and use of each group that has a limit."""

    cpus: float | None
    throttled_share: float
    memory: tuple[tuple[int, int], ...]
    threads: tuple[tuple[int, int], ...]
    killed: int


def look(case: Case) -> Iterator[Finding]:
    """What is limited, and what that has done."""
    yield from judge(measure(cgroups.groups()), 0 if case.running else threads_of(case.spec.workers.count))


def measure(groups: cgroups.Groups) -> Limits:
    """Read the groups' files."""
    return Limits(
        cgroups.cpu_quota(groups),
        cgroups.throttled_share(groups),
        tuple(cgroups.memory_limits(groups)),
        tuple(cgroups.process_limits(groups)),
        cgroups.killed_for_memory(groups),
    )


def judge(limits: Limits, threads: int) -> Iterator[Finding]:
    """`threads` is how many the cluster would still start."""
    findings = [*_cpu(limits), *_memory(limits), *_threads(limits, threads)]
    yield from findings or [ok("no limits")]


def _cpu(limits: Limits) -> Iterator[Finding]:
    if limits.cpus is None:
        return
    found = f"the control group may use {limits.cpus:g} CPUs"
    if limits.throttled_share > THROTTLED_SHARE:
        yield warning(
            f"{found}, and stood still in {limits.throttled_share:.0%} of all periods",
            "starts and requests wait although processors are idle",
            "# give the container more CPUs: docker run --cpus, or resources.limits.cpu",
        )
    else:
        yield ok(found)


def _memory(limits: Limits) -> Iterator[Finding]:
    mend = "# give the container more memory: docker run --memory, or resources.limits.memory"
    if limits.killed:
        yield warning(
            f"the kernel has killed processes of this control group {limits.killed} times for want of memory",
            "services that end with SIGKILL for no other reason were killed by it",
            mend,
        )
    for limit, used in limits.memory:
        found = f"{size(used)} of {size(limit)} are in use in the control group"
        yield warning(found, "at the limit the kernel kills", mend) if used > limit * MEMORY_SHARE else ok(found)


def _threads(limits: Limits, threads: int) -> Iterator[Finding]:
    for limit, used in limits.threads:
        found = f"{used} of {limit} threads are in use in the control group"
        if limit - used < threads:
            yield warning(
                f"{found}, the cluster needs about {threads}",
                "Ray's processes abort where they cannot start a thread",
                "# give the container more: docker run --pids-limit, or TasksMax= of the systemd unit",
            )
        elif limit - used < limit // 10:
            yield note(found, "Ray's processes abort where they cannot start a thread")
        else:
            yield ok(found)
