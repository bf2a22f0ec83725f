"""What nodes have that `dev` has started; room for replicas beside replicas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from daybreak.spec.groups import each_group

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec
    from daybreak.spec.model import Node

# Replicas drain for some seconds, and what is deployed next may come sooner.
ROOM = 4


def with_room(loaded: LoadedSpec) -> LoadedSpec:
    """The same, with nodes that have room for each replica several times. To Ray's scheduler CPUs are a number."""
    return with_each(loaded, _roomy)


def with_each(loaded: LoadedSpec, change: Callable[[Node], dict[str, Any]]) -> LoadedSpec:
    """The same, with what `change` says of each node. What it was before all such changes goes with it."""
    spec = loaded.spec
    head = spec.head.model_copy(update=change(spec.head))
    workers = each_group(spec.workers, change)
    changed = spec.model_copy(update={"head": head, "workers": workers})
    return replace(loaded, spec=changed, given=loaded.given or spec)


def values_with_room(spec: Mapping[str, Any]) -> dict[str, Any]:
    """`with_room` for the values of a spec, as they travel to a keeper: no model of it is made for them."""
    head, workers = dict(spec["head"]), dict(spec["workers"])
    workers["groups"] = {name: dict(group) for name, group in workers["groups"].items()}
    for node in (head, *(workers["groups"].values() or [workers])):
        node["cpus"] = _room(node["cpus"])
    return {**spec, "head": head, "workers": workers}


def _roomy(node: Node) -> dict[str, Any]:
    return {"cpus": _room(node.cpus)}


def _room(cpus: float | str | None) -> float | str:
    """What a machine offers is left to it."""
    # A whole number would be none of what a spec may say, and each look at it a warning.
    return cpus if isinstance(cpus, str) else ROOM * (1.0 if cpus is None else cpus)
