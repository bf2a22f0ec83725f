"""What the nodes of a spec offer to Ray's scheduler, as plain values. Pure."""

from __future__ import annotations

from typing import Any

from daybreak.services.ray.addresses import nodes_of
from daybreak.services.ray.cpus import whole_cpus
from daybreak.services.ray.gpus import amount_of
from daybreak.spec.model import Node, Spec


def offers(spec: Spec) -> list[dict[str, Any]]:
    """One row for each node: its name and its amounts by Ray's names; None is what Ray finds on the machine. No rows
    where nodes of other machines can join, which may offer anything."""
    return [] if spec.address else [_offer(name, node) for name, node in nodes_of(spec).items()]


def _offer(name: str, node: Node) -> dict[str, Any]:
    return {"name": name, "CPU": whole_cpus(node), "GPU": amount_of(node), "memory": node.memory, **node.resources}
