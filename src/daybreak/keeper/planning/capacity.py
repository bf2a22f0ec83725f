"""Room on Ray's nodes, looked at before any of them starts or ends: for objects, and for replicas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.errors import PreflightError
from daybreak.extras.doctor.diagnoses import shm
from daybreak.extras.doctor.finding import Severity
from daybreak.names import SERVE
from daybreak.programs.deploy.shortage import shortage
from daybreak.run.plan import Plan
from daybreak.services.ray.addresses import node_names
from daybreak.services.ray.offers import offers
from daybreak.spec.model import Spec

# Beside the deployment's status file: what its replicas ask for.
ASKS_FILE = "serve-asks.json"


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


def room_for_replicas(steps: Plan, spec: Spec, runtime: Path) -> list[str]:
    """What to tell where nodes are taken away from applications that stay: they ask for more than will be left."""
    ending = [step.handle for step in steps.stop]
    stay = spec.serve.wanted and SERVE not in (handle.service for handle in ending) and not spec.in_containers
    if not stay or not any(handle.is_worker for handle in ending):
        return []
    try:
        short = shortage(json.loads((runtime / ASKS_FILE).read_text()), offers(spec))
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [f"{short.reason}: replicas that lose their node do not come back; {short.hint}"] if short else []
