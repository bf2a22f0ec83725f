"""How many CPUs each node offers, where the spec leaves that to the machine. Pure.

Nothing said means 1 on each of several nodes, and all of the machine's on one that is alone. What a cluster starts with
stays while it runs: a worker more would otherwise replace the head, and all that runs on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from daybreak.services.ray.addresses import nodes_of
from daybreak.spec.groups import each_group
from daybreak.spec.model import Node, Spec

ALL, SHARE = "all", "share"


def is_alone(spec: Spec) -> bool:
    """Is there one node only?"""
    return spec.workers.count == 0


def sharing(spec: Spec) -> int:
    """How many nodes divide the machine's CPUs among themselves."""
    return sum(node.cpus == SHARE for node in nodes_of(spec).values())


def settled(spec: Spec, cpus: int, *, alone: bool, among: int) -> Spec:
    """The same with numbers, on a machine with so many `cpus`, divided `among` so many nodes."""

    def of(node: Node, nothing_said: float | None) -> dict[str, Any]:
        if node.cpus == ALL:
            return {"cpus": float(cpus)}
        if node.cpus == SHARE:
            return {"cpus": float(max(1, cpus // max(1, among)))}
        return {"cpus": nothing_said if node.cpus is None else node.cpus}

    head = spec.head.model_copy(update=of(spec.head, float(cpus) if alone else None))
    workers = each_group(spec.workers, lambda group: of(group, None))
    return spec.model_copy(update={"head": head, "workers": workers})


def whole_cpus(node: Node) -> int:
    """A Ray node has whole CPUs only: a part of one counts as one, as with KubeRay. What is left to a machine that is
    not known is 1."""
    return math.ceil(number_of(node) or 0) if number_of(node) is not None else 1


def number_of(node: Node) -> float | None:
    """The CPUs as the spec writes them; None where it gives no number."""
    return None if node.cpus is None or isinstance(node.cpus, str) else node.cpus


def notes(spec: Spec, cpus: int) -> Iterator[str]:
    """What several nodes offer where the spec says nothing, while the machine has more. `spec` as it is written."""
    nodes = nodes_of(spec).values()
    silent = [node for node in nodes if node.cpus is None]
    if len(nodes) > 1 and len(silent) == len(nodes) < cpus:
        yield (
            f"{len(nodes)} nodes x 1 CPU of this machine's {cpus}: `cpus: share` in the spec divides them, "
            "`cpus: all` has a node offer all"
        )
