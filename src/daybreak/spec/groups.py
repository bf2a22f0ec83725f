"""The workers of a spec by group and by name, and other numbers of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from daybreak.names import MOST_WORKERS, ONLY, group_of

if TYPE_CHECKING:
    from daybreak.spec.model import WorkerGroup, Workers

# The label of a node with its group's name.
LABEL = "group"
# What the command line says of them: a number where there is one group, else numbers by group.
Counts = int | Mapping[str, int]


def by_group(workers: Workers) -> dict[str, WorkerGroup]:
    """The groups, in order; one where all workers are alike."""
    return dict(workers.groups) or {ONLY: workers}


def by_name(workers: Workers) -> dict[str, WorkerGroup]:
    """Every worker node's settings by its name, in order. In groups each has its group's name as a label."""
    groups = by_group(workers)
    for name, group in workers.groups.items():
        groups[name] = group.model_copy(update={"labels": {LABEL: name, **group.labels}})
    return {f"{name}-{number + 1}": group for name, group in groups.items() for number in range(group.count)}


def place_of(node: str, groups: Collection[str]) -> int:
    """A number from 1 up that the node alone has, and keeps when a group grows or shrinks."""
    group = group_of(node, groups)
    number = int(node.removeprefix(f"{group}-"))
    return (number - 1) * len(groups) + list(groups).index(group) + 1


def most_of_each(groups: Collection[str]) -> int:
    """How many nodes a group may have: all places are below one limit."""
    return MOST_WORKERS // len(groups)


def with_counts(workers: Workers, counts: Counts) -> Workers:
    """The same with other numbers. Raises ValueError where a group is not meant, or there would be too many."""
    groups = by_group(workers)
    if isinstance(counts, int):
        if len(groups) > 1:
            raise ValueError(f"{counts} of which workers? The groups are {', '.join(groups)}: write {written(groups)}")
        counts = dict.fromkeys(groups, counts)
    if unknown := [name for name in counts if name not in groups]:
        raise ValueError(f"no group of workers is called {', '.join(unknown)}; there is {', '.join(groups)}")
    most = most_of_each(groups)
    if wrong := [f"{name}={count}" for name, count in counts.items() if not 0 <= count <= most]:
        raise ValueError(f"a group has 0 to {most} workers here, not {', '.join(wrong)}")
    changed = {name: g.model_copy(update={"count": counts.get(name, g.count)}) for name, g in groups.items()}
    together = sum(group.count for group in changed.values())
    update = {"count": together, "groups": changed} if workers.groups else {"count": together}
    return workers.model_copy(update=update)


def kept_counts(workers: Workers, counts: Counts) -> Workers:
    """The same with numbers that were given for another spec, as far as they mean anything here."""
    groups = by_group(workers)
    if isinstance(counts, int):
        counts = dict.fromkeys(groups, counts) if len(groups) == 1 else {}
    most = most_of_each(groups)
    return with_counts(workers, {name: min(count, most) for name, count in counts.items() if name in groups})


def written(groups: Mapping[str, WorkerGroup]) -> str:
    """Numbers for all groups, as the command line takes them."""
    return " ".join(f"{name}={group.count}" for name, group in groups.items())


def each_group(workers: Workers, change: Callable[[WorkerGroup], Mapping[str, Any]]) -> Workers:
    """The same with what `change` says of each group."""
    groups = {name: group.model_copy(update=change(group)) for name, group in workers.groups.items()}
    return workers.model_copy(update={"groups": groups} if groups else change(workers))


def groups_in(spec: Mapping[str, Any]) -> list[str]:
    """The groups of a spec as it is stored."""
    return list(spec.get("workers", {}).get("groups") or (ONLY,))
