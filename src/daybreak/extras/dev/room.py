"""What nodes have that `dev` has started; room for replicas beside replicas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from daybreak.spec.groups import each_group
from daybreak.spec.model import Node

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec

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


def _roomy(node: Node) -> dict[str, Any]:
    """What a machine offers is left to it."""
    # A whole number would be none of what a spec may say, and each look at it a warning.
    return {"cpus": node.cpus if isinstance(node.cpus, str) else ROOM * (1.0 if node.cpus is None else node.cpus)}
