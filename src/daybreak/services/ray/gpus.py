"""Which of the machine's GPUs each node has, so that none is offered twice. Pure.

A number takes the next ones that are free, a list those that it names. Where nothing is said, a node that is alone has
all, and one of several none. What a node has had it keeps, as long as it asks for as many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from daybreak.services.ray.addresses import nodes_of
from daybreak.services.site import Site
from daybreak.spec.model import Node, Spec

VARIABLE = "CUDA_VISIBLE_DEVICES"
Devices = tuple[str, ...]


class NotEnough(Exception):
    """The problems, each with the node that has one."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{node}: {why}" for node, why in problems))
        self.problems = tuple(problems)


def shared_out(
    spec: Spec, there: Devices | None, kept: Mapping[str, Sequence[str]], *, alone: bool
) -> dict[str, Devices]:
    """The devices of each node; `there` are those of the machine, None where nobody can tell, `kept` what nodes had.

    Where nobody can tell, only what is named is here. Raises NotEnough.
    """
    found, problems = _named(spec, there)
    if there is None:
        if problems:
            raise NotEnough(problems)
        return found
    counts = {name: node.gpus for name, node in nodes_of(spec).items() if isinstance(node.gpus, int)}
    for name, count in counts.items():
        had = tuple(kept.get(name, ()))
        if len(had) == count and set(had) <= set(_free(there, found)):
            found[name] = had
    for name, count in counts.items():
        free = _free(there, found)
        if name not in found and len(free) < count:
            problems.append((name, f"asks for {count}, and {_free_words(free, there)} ({_holders(found)})"))
        found.setdefault(name, free[:count])
    if problems:
        raise NotEnough(problems)
    for name, node in nodes_of(spec).items():
        if node.gpus is None:
            found[name] = _free(there, found) if alone and name == next(iter(nodes_of(spec))) else ()
    return {name: found[name] for name in nodes_of(spec)}


def _named(spec: Spec, there: Devices | None) -> tuple[dict[str, Devices], list[tuple[str, str]]]:
    """What lists name, and what is wrong with it."""
    found: dict[str, Devices] = {}
    problems: list[tuple[str, str]] = []
    for name, node in nodes_of(spec).items():
        if node.gpus is None or isinstance(node.gpus, int):
            continue
        mine: list[str] = []
        for number in node.gpus:
            device = _device(number, there)
            owner = next((other for other, devices in found.items() if device in devices), None)
            if device is None:
                problems.append((name, f"asks for GPU {number}, and the machine has {_listed(there or ())}"))
            elif owner or device in mine:
                problems.append((name, f"asks for GPU {number}, which {owner or 'it'} has already"))
            else:
                mine.append(device)
        found[name] = tuple(mine)
    return found, problems


def _device(number: int, there: Devices | None) -> str | None:
    """What that number means: an index of the machine's, or a place in a list of other names."""
    if there is None or str(number) in there:
        return str(number)
    by_place = there and not any(name.isdecimal() for name in there) and number < len(there)
    return there[number] if by_place else None


def _free(there: Devices, found: Mapping[str, Devices]) -> Devices:
    taken = {device for devices in found.values() for device in devices}
    return tuple(device for device in there if device not in taken)


def _listed(devices: Devices) -> str:
    return f"GPU {', '.join(devices)}" if devices else "none"


def _free_words(free: Devices, there: Devices) -> str:
    return f"{len(free)} of the {len(there)} of this machine {'is' if len(free) == 1 else 'are'} free"


def _holders(found: Mapping[str, Devices]) -> str:
    told = [f"{name} has {_listed(devices)}" for name, devices in found.items() if devices]
    return "; ".join(told) or "nobody has one"


def env(site: Site, node: str) -> dict[str, str]:
    """What shows the node its own; a container sees no others, and numbers them anew."""
    return {} if site.node or node not in site.gpus else {VARIABLE: ",".join(site.gpus[node])}


def amount_of(node: Node) -> int | None:
    """What the spec says; None where nothing."""
    return node.gpus if node.gpus is None or isinstance(node.gpus, int) else len(node.gpus)


def count(site: Site, name: str, node: Node) -> int | None:
    """What the node offers; None leaves it to Ray."""
    return len(site.gpus[name]) if name in site.gpus else amount_of(node)


def notes(spec: Spec, site: Site) -> Iterator[str]:
    """GPUs that no node offers, where the spec says nothing of them."""
    there, used = site.gpus_there, sum(len(devices) for devices in site.gpus.values())
    silent = [name for name, node in nodes_of(spec).items() if node.gpus is None]
    if site.gpus and used < there and silent:
        yield (
            f"{there - used} of the {there} GPUs of this machine are offered by no node: of several nodes one that "
            "says nothing has none; write `gpus: N`"
        )
