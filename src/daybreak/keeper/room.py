"""Room for the object stores of Ray's nodes, looked at before any of them starts."""

from __future__ import annotations

from collections.abc import Sequence

from daybreak.backends.base import Handle
from daybreak.doctor import shm
from daybreak.doctor.finding import Severity
from daybreak.errors import PreflightError
from daybreak.plan import Plan
from daybreak.services.ray import node_names
from daybreak.spec.model import Spec


def room_for_objects(steps: Plan, observed: Sequence[Handle], spec: Spec) -> list[str]:
    """What to tell before the start: Ray would work, but on the disk, or until a store is full.

    Raises PreflightError where Ray itself would refuse to start a node.
    """
    nodes = node_names(spec)
    if spec.in_containers or not any(steps.starts(node) for node in nodes):
        return []
    running = any(handle.service in nodes for handle in observed)
    found = [row for row in shm.judge(shm.room(running), shm.stores(spec)) if row.severity >= Severity.WARNING]
    refused = [f"{row.found}: {row.why}" for row in found if row.severity is Severity.ERROR]
    if refused:
        raise PreflightError(refused, hint="less `object_store` in the spec, or " + found[0].mend[0])
    return [f"{row.found}: {row.why}; less `object_store` in the spec, or {row.mend[0]}" for row in found]
