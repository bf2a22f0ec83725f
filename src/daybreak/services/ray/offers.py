"""What the nodes of a spec offer to Ray's scheduler, as plain values. Pure."""

from __future__ import annotations

from typing import Any

from daybreak.names import HEAD
from daybreak.services.ray.addresses import worker_name
from daybreak.services.ray.start_command import whole_cpus
from daybreak.spec.model import Node, Spec


def offers(spec: Spec) -> list[dict[str, Any]]:
    """One row for each node: its name and its amounts by Ray's names; None is what Ray finds on the machine."""
    workers = [_offer(worker_name(number + 1), spec.workers) for number in range(spec.workers.count)]
    return [_offer(HEAD, spec.head), *workers]


def _offer(name: str, node: Node) -> dict[str, Any]:
    return {"name": name, "CPU": whole_cpus(node), "GPU": node.gpus, "memory": node.memory, **node.resources}
