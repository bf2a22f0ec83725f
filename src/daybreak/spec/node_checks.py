"""What is wrong with the nodes of a spec although each of their values is valid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daybreak.names import DATABASES
from daybreak.spec.document import KeyPath
from daybreak.spec.groups import by_group, by_name, most_of_each, place_of
from daybreak.spec.model import Node, Spec
from daybreak.spec.wording import Finding

HIGHEST_PORT = 65535
# What services and groups of workers cannot be called.
RESERVED = frozenset(
    ["head", "workers", "serve", *DATABASES, "gateway", "prometheus", "grafana", "hooks", "keeper", "stopped"],
)

# Ray's own resources, and the keys that set them here.
_RAY_RESOURCES = {"CPU": "cpus", "GPU": "gpus", "memory": "memory", "object_store_memory": "object_store"}


def resources(spec: Spec) -> Iterator[Finding]:
    nodes: dict[KeyPath, Node] = {("head",): spec.head, ("workers",): spec.workers}
    # A group has what the section says, where that is told already.
    inherited = spec.workers.resources
    for group, settings in spec.workers.groups.items():
        own = {name: amount for name, amount in settings.resources.items() if inherited.get(name) != amount}
        nodes["workers", "groups", group] = settings.model_copy(update={"resources": own})
    for place, node in nodes.items():
        for name, amount in node.resources.items():
            if name in _RAY_RESOURCES:
                hint = f"write {place[-1]}: {{{_RAY_RESOURCES[name]}: ...}}"
                yield Finding((*place, "resources", name), "is not a custom resource", hint, at_key=True)
            elif not amount.is_integer():
                hint = "tasks may ask for parts of it"
                yield Finding((*place, "resources", name), f"Ray nodes have whole amounts only, not {amount:g}", hint)


def groups(spec: Spec) -> Iterator[Finding]:
    """Names that mean something else, and more nodes than there are places."""
    most = most_of_each(by_group(spec.workers))
    for name, group in spec.workers.groups.items():
        if name in RESERVED:
            yield Finding(("workers", "groups", name), "means something else", "choose another name", at_key=True)
        if group.count > most:
            path = ("workers", "groups", name, "count")
            yield Finding(path, f"with {len(spec.workers.groups)} groups each has at most {most} workers")


def fixed_ports(spec: Spec, taken: Mapping[int, str]) -> Iterator[Finding]:
    """Blocks of fixed ports that end beyond the last one, or hold one of `taken`, which has the keys by port."""
    fixed, groups = spec.ports.fixed, list(by_group(spec.workers))
    if not fixed.enabled:
        return
    path = ("ports", "fixed")
    if spec.in_containers and spec.docker.network == "bridge":
        why = "means nothing in containers with a network of their own: Ray's ports are the same in each anyway"
        yield Finding(path, why, "remove it, or write docker: {network: host}")
        return
    first = fixed.base + spec.ports.offset
    for node in ["head", *by_name(spec.workers)]:
        place = 0 if node == "head" else place_of(node, groups)
        block = range(first + place * fixed.per_node, first + (place + 1) * fixed.per_node)
        if block[-1] > HIGHEST_PORT:
            why = f"the ports of {node} are {block[0]} to {block[-1]}; ports end at {HIGHEST_PORT}"
            yield Finding(path, why, "choose a lower base, or less per_node")
            return
        for number in sorted(set(block) & taken.keys()):
            why = f"the ports of {node}, {block[0]} to {block[-1]}, hold {number}, which is that of {taken[number]}"
            yield Finding(path, why, "choose another base, or another port there")
