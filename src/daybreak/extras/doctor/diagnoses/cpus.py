"""The machine's CPUs against those that head and workers offer."""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, note, ok, warning
from daybreak.machine.machine import machine
from daybreak.services.ray.start_command import whole_cpus
from daybreak.show.text import plural
from daybreak.spec.model import Spec

# So many times the CPUs there are: tasks then share each CPU, and every start takes as many times as long.
FAR_TOO_MANY = 4


def look(case: Case) -> Iterator[Finding]:
    """What Ray would promise."""
    yield from judge(machine().cpus, offered(case.spec), case.spec.workers.count)


def offered(spec: Spec) -> int:
    """The CPUs that Ray counts: whole ones, as in services/ray/nodes.py."""
    return whole_cpus(spec.head) + spec.workers.count * whole_cpus(spec.workers)


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
