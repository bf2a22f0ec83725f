"""The size of /dev/shm against the object stores that the spec asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daybreak.doctor.case import Case
from daybreak.doctor.disk import measure
from daybreak.doctor.finding import Finding, error, ok, warning
from daybreak.report.text import size

SHM = Path("/dev/shm")
# Ray's REQUIRE_SHM_SIZE_THRESHOLD: a larger store than this must fit.
RAY_REFUSES_ABOVE = 10**10


def look(case: Case) -> Iterator[Finding]:
    """What head and workers ask for, each and together."""
    if case.spec.in_containers:
        yield ok("each container has its own, as large as its object store needs")
        return
    disk = measure(SHM)
    stores = [case.spec.head.object_store, *[case.spec.workers.object_store] * case.spec.workers.count]
    # What a running cluster has filled is its own.
    yield from judge(disk.total if case.running else disk.free, stores)


def judge(room: int, stores: list[int]) -> Iterator[Finding]:
    """`room` is what is left in /dev/shm, `stores` each node's object store, in bytes."""
    asked = sum(stores)
    mend = (
        f"sudo mount -o remount,size={-(-asked * 11 // 10 // 2**20)}M /dev/shm   # in a container: --shm-size",
        "# or less `object_store` in the spec",
    )
    if max(stores) > max(room, RAY_REFUSES_ABOVE):
        yield error(
            f"an object store of {size(max(stores))} does not fit into /dev/shm, where {size(room)} are left",
            "Ray refuses to start the node",
            *mend,
        )
    elif max(stores) > room:
        yield warning(
            f"an object store of {size(max(stores))} does not fit into /dev/shm, where {size(room)} are left",
            "Ray puts it on the disk instead, and every object is read and written there",
            *mend,
        )
    elif asked > room:
        yield warning(
            f"the object stores ask for {size(asked)} together, /dev/shm has {size(room)} left",
            "a node that writes when it is full is killed by the kernel (SIGBUS)",
            *mend,
        )
    else:
        yield ok(f"{size(room)} for object stores of {size(asked)}")
