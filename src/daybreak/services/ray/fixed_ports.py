"""Every port of Ray's nodes from the spec, with `ports.fixed`: a block for each node, for firewalls. Pure.

A block has two halves, one for each slot, since two generations run side by side while one takes over. In a half come
the node's own ports in their order, and after them those of its workers' processes.
"""

from __future__ import annotations

from daybreak.names import HEAD
from daybreak.services.ray.addresses import GCS, HEAD_PORTS, NODE_PORTS, doors_elsewhere, node_names
from daybreak.services.slots import Slot
from daybreak.spec.groups import by_group, place_of
from daybreak.spec.model import Spec

# The first and the last port of a node's worker processes, in `Site.ports`.
FIRST, LAST = "workers_from", "workers_to"
# The GCS has the one that people know in the first slot, and the first of its half in the other.
OF_HEAD = (GCS.removeprefix(f"{HEAD}."), *HEAD_PORTS)


def blocks(spec: Spec) -> dict[str, range]:
    """The block of every node."""
    groups = list(by_group(spec.workers))
    places = {node: 0 if node == HEAD else place_of(node, groups) for node in node_names(spec)}
    per_node, base = spec.ports.fixed.per_node, spec.ports.fixed.base + spec.ports.offset
    return {node: range(base + place * per_node, base + (place + 1) * per_node) for node, place in places.items()}


def fixed_ports(spec: Spec, slot: Slot) -> dict[str, int]:
    """The ports of every node in this slot, by their names in `Site.ports`; nothing where they are not fixed."""
    if not spec.ports.fixed.enabled:
        return {}
    found: dict[str, int] = {}
    for node, block in blocks(spec).items():
        here = _half(block, slot)
        purposes = OF_HEAD if node == HEAD else NODE_PORTS
        found |= {f"{node}.{purpose}": here[index] for index, purpose in enumerate(purposes)}
        found |= {f"{node}.{FIRST}": here[len(purposes)], f"{node}.{LAST}": here[-1]}
    if spec.join:
        return found
    there = _half(blocks(spec)[HEAD], slot.other)
    for name in doors_elsewhere(slot):
        found[name] = there[OF_HEAD.index(name.rpartition(".")[2])]
    if slot is Slot.A:
        del found[GCS]
    return found


def _half(block: range, slot: Slot) -> range:
    half = len(block) // 2
    return block[:half] if slot is Slot.A else block[half:]
