"""The size of /dev/shm against the object stores that the spec asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.diagnoses.disk import measure
from daybreak.extras.doctor.finding import Finding, error, ok, warning
from daybreak.services.ray.addresses import nodes_of
from daybreak.show.text import size
from daybreak.spec.model import Spec

SHM = Path("/dev/shm")
# Ray's REQUIRE_SHM_SIZE_THRESHOLD: a larger store than this must fit.
RAY_REFUSES_ABOVE = 10**10


def look(case: Case) -> Iterator[Finding]:
    """What head and workers ask for, each and together."""
    if case.spec.in_containers:
        yield ok("each container has its own, as large as its object store needs")
        return
    yield from judge(room(case.running), stores(case.spec))


def room(running: bool) -> int:
    """The bytes that object stores may have; what a running cluster has filled is its own."""
    disk = measure(SHM)
    return disk.total if running else disk.free


def stores(spec: Spec) -> list[int]:
    """Each node's object store in bytes."""
    return [node.object_store for node in nodes_of(spec).values()]


def judge(left: int, asked_each: list[int]) -> Iterator[Finding]:
    """`left` is the room in /dev/shm, `asked_each` each node's object store, in bytes."""
    asked = sum(asked_each)
    mend = (
        f"sudo mount -o remount,size={-(-asked * 11 // 10 // 2**20)}M /dev/shm   # in a container: --shm-size",
        "# or less `object_store` in the spec",
    )
    if max(asked_each) > max(left, RAY_REFUSES_ABOVE):
        yield error(
            f"an object store of {size(max(asked_each))} does not fit into /dev/shm, where {size(left)} are left",
            "Ray refuses to start the node",
            *mend,
        )
    elif max(asked_each) > left:
        yield warning(
            f"an object store of {size(max(asked_each))} does not fit into /dev/shm, where {size(left)} are left",
            "Ray puts it on the disk instead, and every object is read and written there",
            *mend,
        )
    elif asked > left:
        yield warning(
            f"the object stores ask for {size(asked)} together, /dev/shm has {size(left)} left",
            "a node that writes when it is full is killed by the kernel (SIGBUS)",
            *mend,
        )
    else:
        yield ok(f"{size(left)} for object stores of {size(asked)}")
