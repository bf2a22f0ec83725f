"""The machine's CPUs against those that head and workers offer."""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, note, ok, warning
from daybreak.machine.machine import machine
from daybreak.services.ray.addresses import nodes_of
from daybreak.services.ray.cpus import is_alone, settled, sharing, whole_cpus
from daybreak.show.text import plural
from daybreak.spec.model import Spec

# So many times the CPUs there are: tasks then share each CPU, and every start takes as many times as long.
FAR_TOO_MANY = 4


def look(case: Case) -> Iterator[Finding]:
    """What Ray would promise."""
    there = machine().cpus
    # What runs is as it was started, and has told its numbers then: this is what the next start would offer.
    spec = settled(case.spec, there, alone=is_alone(case.spec), among=sharing(case.spec))
    yield from judge(there, offered(spec), case.spec.workers.count)


def offered(spec: Spec) -> int:
    """The CPUs that Ray counts: whole ones, as in services/ray/nodes.py."""
    return sum(whole_cpus(node) for node in nodes_of(spec).values())


def judge(cpus: int, promised: int, workers: int) -> Iterator[Finding]:
    """More is allowed: Ray's CPUs are numbers that tasks ask for, not processors."""
    found = f"head and {plural(workers, 'worker')} offer {plural(promised, 'CPU')}, {cpus} may be used here"
    mend = "# fewer workers, or less `cpus`, in the spec"
    if promised > FAR_TOO_MANY * cpus:
        yield warning(found, "tasks share each CPU and take many times as long, starts as well", mend)
    elif promised > cpus:
        yield note(found, "it works; tasks that compute share the CPUs, and starts take longer", mend)
    else:
        yield ok(found)
