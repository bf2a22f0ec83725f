"""Do the replicas that are wanted fit on the nodes that are wanted? Pure: amounts in, a reason or nothing out.

An ask is what one deployment wants: `application`, `deployment`, `replicas`, and `each`, the amounts of one replica by
resource, or `bundles` (several amounts, all of one replica) with `together` where one node must have them all. A node
is `name` and its amounts, where None is "whatever Ray finds".
"""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

# Ray's own precision.
UNIT = 10000
MOST_WORKERS = 64
KEYS = {"CPU": "cpus", "GPU": "gpus", "memory": "memory"}
# Every node has its own, or Ray finds them by itself.
FOUND_BY_RAY = ("node:", "accelerator_type:", "object_store_memory", "TPU", "HPU", "NPU", "neuron_cores", "RBLN")

Amounts = Dict[str, int]


class Short(NamedTuple):
    """Why they can never fit, and what to change."""

    reason: str
    hint: str


class Part(NamedTuple):
    """What must be on one node: a replica, or a bundle of one."""

    owner: str
    needs: Amounts


def shortage(asks: Sequence[Dict[str, Any]], nodes: Sequence[Dict[str, Any]]) -> Optional[Short]:
    """What can never be placed on these nodes; None where it can, or may be, or nobody knows the nodes.

    The first node is the head, the others are workers; those of a group are all alike, and are called GROUP-1, GROUP-2.
    """
    parts = parts_of(asks) if nodes else []
    for resource in dict.fromkeys(name for part in parts for name in part.needs):
        of_resource = [part for part in parts if part.needs.get(resource)]
        reason = _too_large(of_resource, resource, nodes) or _too_many(of_resource, resource, nodes)
        if reason:
            return Short(reason, _mending(parts, resource, nodes))
    return None


def parts_of(asks: Sequence[Dict[str, Any]]) -> List[Part]:
    """Everything that must find a place."""
    return [part for ask in asks for part in _parts(ask)]


def _parts(ask: Dict[str, Any]) -> List[Part]:
    owner = ask["deployment"]
    bundles = ask.get("bundles") or [ask["each"]]
    amounts = [{name: round(amount * UNIT) for name, amount in bundle.items() if amount} for bundle in bundles]
    if ask.get("together"):
        names = {name for bundle in amounts for name in bundle}
        amounts = [{name: sum(bundle.get(name, 0) for bundle in amounts) for name in names}]
    return [Part(owner, bundle) for bundle in amounts] * int(ask["replicas"])


def _offer(node: Dict[str, Any], resource: str) -> float:
    """What a node has of a resource, in units."""
    if resource not in node:
        return math.inf if resource.startswith(FOUND_BY_RAY) else 0
    amount = node[resource]
    return math.inf if amount is None else round(amount * UNIT)


def _too_large(parts: Sequence[Part], resource: str, nodes: Sequence[Dict[str, Any]]) -> Optional[str]:
    """One that no node can hold."""
    largest = max(parts, key=lambda part: part.needs[resource])
    best = max(_offer(node, resource) for node in nodes)
    if largest.needs[resource] <= best:
        return None
    asked, there = _amount(largest.needs[resource], resource), _amount(best, resource)
    return f"a replica of {largest.owner} asks for {asked} on one node, and none offers more than {there}"


def _too_many(parts: Sequence[Part], resource: str, nodes: Sequence[Dict[str, Any]]) -> Optional[str]:
    """More in sum than there is, or more of one size than the nodes have room for."""
    offers = [_offer(node, resource) for node in nodes]
    if math.inf in offers:
        return None
    asked, there = sum(part.needs[resource] for part in parts), sum(offers)
    if asked > there:
        who = ", ".join(dict.fromkeys(part.owner for part in parts))
        words = f"{_amount(asked, resource)} ({who}), and the nodes offer {_amount(there, resource)}"
        return f"the applications ask for {words} ({_nodes(offers, nodes, resource)})"
    for size in sorted({part.needs[resource] for part in parts}):
        large = [part for part in parts if part.needs[resource] >= size]
        room = sum(int(offer // size) for offer in offers)
        if len(large) > room:
            who = ", ".join(dict.fromkeys(part.owner for part in large))
            words = f"{len(large)} replicas ({who}) ask for {_amount(size, resource)} or more each"
            return f"{words}, and the nodes have room for {room} ({_nodes(offers, nodes, resource)})"
    return None


def _nodes(offers: Sequence[float], nodes: Sequence[Dict[str, Any]], resource: str) -> str:
    """What each offers, the workers of a group together."""
    told = [f"{nodes[0]['name']} {_number(offers[0], resource)}"]
    groups = _groups(nodes)
    for group, members in groups.items():
        each = _number(offers[members[0]], resource)
        kind = "worker" if len(groups) == 1 else f"{group} worker"
        told.append(f"1 {kind} {each}" if len(members) == 1 else f"{len(members)} {kind}s {each} each")
    return ", ".join(told if groups else [*told, "no workers"])


def _groups(nodes: Sequence[Dict[str, Any]]) -> Dict[str, List[int]]:
    """Where the workers of each group are."""
    found: Dict[str, List[int]] = {}
    for place, node in enumerate(nodes[1:], 1):
        found.setdefault(node["name"].rpartition("-")[0], []).append(place)
    return found


def _more_workers(parts: Sequence[Part], nodes: Sequence[Dict[str, Any]]) -> List[str]:
    """For each group the least number of its workers with which everything fits."""
    ways = []
    groups = _groups(nodes)
    for group, members in groups.items():
        for more in range(1, MOST_WORKERS - len(members) + 1):
            count = len(members) + more
            if fits(parts, [*nodes, *[nodes[members[0]]] * more]):
                told = f"{count} workers (daybreak up {count})"
                ways.append(
                    f"start {told if len(groups) == 1 else f'{count} {group} workers (daybreak up {group}={count})'}"
                )
                break
    return ways


def _mending(parts: Sequence[Part], resource: str, nodes: Sequence[Dict[str, Any]]) -> str:
    """The least change of the head, and the least number of workers, with which everything fits."""
    ways = []
    asked = sum(part.needs.get(resource, 0) for part in parts)
    step = 2**30 * UNIT if resource == "memory" else UNIT
    base = _offer(nodes[0], resource)
    amount = 0 if base == math.inf else int(base // step) * step
    while amount < asked + step:
        amount += step
        if fits(parts, [{**nodes[0], resource: amount / UNIT}, *nodes[1:]]):
            ways.append(f"write head: {{{_setting(resource, amount)}}}")
            break
    ways += _more_workers(parts, nodes)
    largest = max(part.needs.get(resource, 0) for part in parts)
    if not ways:
        ways.append(f"write workers: {{{_setting(resource, -(-largest // step) * step)}}}")
    return f"{', or '.join(ways)}, or ask for less in the application"


def _setting(resource: str, amount: int) -> str:
    if resource == "memory":
        return f"memory: {amount // UNIT // 2**30}GiB"
    number = amount // UNIT
    return f"{KEYS[resource]}: {number}" if resource in KEYS else f"resources: {{{resource}: {number}}}"


def fits(parts: Sequence[Part], nodes: Sequence[Dict[str, Any]]) -> bool:
    """Is there room for all of them, the largest placed first wherever it fits?"""
    names = {name for part in parts for name in part.needs}
    left = [{name: _offer(node, name) for name in names} for node in nodes]
    for part in sorted(parts, key=lambda part: max(part.needs.values(), default=0), reverse=True):
        for node in left:
            if all(node[name] >= amount for name, amount in part.needs.items()):
                for name, amount in part.needs.items():
                    node[name] -= amount
                break
        else:
            return False
    return True


def _amount(units: float, resource: str) -> str:
    """With its name: 2.2 CPUs, 1 GPU, 3 GiB of memory, 1 camera."""
    number = _number(units, resource)
    if resource == "memory":
        return f"{number} of memory"
    if resource in KEYS:
        return f"{number} {resource}{'' if number == '1' else 's'}"
    return f"{number} {resource}"


def _number(units: float, resource: str) -> str:
    return f"{units / UNIT / 2**30:.3g} GiB" if resource == "memory" else f"{units / UNIT:.10g}"
