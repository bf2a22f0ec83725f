"""Memory and swap: what is left, against what the spec asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from daybreak.errors import SpecError
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, ok, warning
from daybreak.machine.machine import machine
from daybreak.machine.survey import asked_bytes, check_memory
from daybreak.show.text import size

# Above 95 % Ray kills tasks and actors (RAY_memory_usage_threshold).
RAY_KILLS_ABOVE = 0.95
CLOSE_ABOVE = 0.90
# Swap that is in use matters where memory is short, too: else it only holds what nobody needs.
SWAP_FULL = 0.5
MEMORY_SHORT = 0.2


@dataclass(frozen=True)
class Memory:
    """Bytes; limits of control groups included."""

    total: int
    available: int
    swap_total: int = 0
    swap_used: int = 0

    @property
    def used_share(self) -> float:
        return 1 - self.available / self.total


def look(case: Case) -> Iterator[Finding]:
    """What `up` would refuse, then what would be short."""
    try:
        check_memory(case.spec)
    except SpecError as refused:
        yield error(
            "; ".join(problem.message for problem in refused.problems),
            "`daybreak up` refuses it: Ray would take the word for it, and be killed later",
            "# fewer workers, or less `memory` and `object_store`, in the spec",
        )
        return
    yield from judge(measure(), 0 if case.running else asked_bytes(case.spec))


def measure() -> Memory:
    """This machine's memory now."""
    import psutil

    found, swap = machine(), psutil.swap_memory()
    return Memory(found.memory_total_bytes, found.memory_available_bytes, swap.total, swap.used)


def judge(memory: Memory, asked: int) -> Iterator[Finding]:
    """What is wrong with it; `asked` is what is still to be started, in bytes."""
    left = f"{size(memory.available)} of {size(memory.total)} are available"
    swap = f"{size(memory.swap_used)} of {size(memory.swap_total)} swap are in use" if memory.swap_total else "no swap"
    largest = "ps -eo pid,rss,args --sort=-rss | head"
    if memory.used_share > RAY_KILLS_ABOVE:
        yield error(left, f"above {RAY_KILLS_ABOVE:.0%} in use Ray kills tasks, actors and replicas", largest)
    elif memory.used_share > CLOSE_ABOVE:
        yield warning(left, f"at {RAY_KILLS_ABOVE:.0%} in use Ray begins to kill tasks, actors and replicas", largest)
    elif asked > memory.available:
        yield warning(
            f"the spec asks for {size(asked)}, {left}",
            "when objects and actors fill it, Ray kills them, or the kernel kills Ray",
            largest,
            "# or fewer workers, less `memory` and `object_store`, in the spec",
        )
    elif (
        memory.swap_total and memory.swap_used / memory.swap_total > SWAP_FULL and memory.used_share > 1 - MEMORY_SHORT
    ):
        yield warning(f"{swap}, and {left}", "what waits for the swap takes seconds instead of microseconds", largest)
    else:
        yield ok(f"{left}; {swap}")
