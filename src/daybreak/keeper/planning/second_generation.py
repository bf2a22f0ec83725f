"""Whether a second generation of the app tier can run beside the one that serves: looked up, nothing is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.extras.doctor.diagnoses import shm
from daybreak.keeper.planning.process_memory import of_instances
from daybreak.machine.machine import machine
from daybreak.names import GATEWAY
from daybreak.run.plan import Goal, plan
from daybreak.run.restart_way import Facts, SecondGeneration
from daybreak.services.build import Cluster
from daybreak.services.container_site import has_room_for_two
from daybreak.services.ray.addresses import nodes_of
from daybreak.services.ray.containers import services_in_head
from daybreak.services.ray.serve_config import in_own_network
from daybreak.services.service import Tier
from daybreak.spec.groups import by_group, by_name, place_of
from daybreak.spec.model import Spec

# Ray ends tasks and replicas where a machine has less left than this share of its memory.
SHARE_LEFT = 0.05
# What a generation takes may grow between the look and the switch.
GROWTH = 1.1
GPU = Path("/dev/nvidia0")
# What may be replaced in the same run without harm: nothing of the app tier needs it.
APART = (Tier.APP, Tier.OBSERVE)


async def second_generation(
    cluster: Cluster,
    observed: Sequence[Handle],
    facts: Facts,
    forks: Path,
    kept_bytes: int = 0,
    *,
    keep: bool,
    asked: bool,
) -> SecondGeneration:
    """`cluster` is what is wanted, in the slot that serves; `keep` leaves what came up where something else fails.
    `asked`: somebody wants this way. What is kept of a generation before takes `kept_bytes`, and ends first."""
    steps = plan(cluster.services, observed, Goal())
    others = {step.handle.service: step.why for step in steps.stop if step.handle.tier not in APART}
    against = list(_hindrances(cluster, facts, others, keep=keep))
    if cluster.spec.ray.client and not asked:
        against.append("programs that use Ray's client server know its port")
    if cluster.spec.address and not asked:
        against.append("nodes of other machines know the head's port, and would stay with the generation before")
    if against:
        return SecondGeneration(against)
    running = [handle for handle in observed if handle.tier == Tier.APP]
    return _with_memory(int(await asyncio.to_thread(of_instances, running, forks) * GROWTH), kept_bytes)


def _hindrances(cluster: Cluster, facts: Facts, others: Mapping[str, str], *, keep: bool) -> Iterator[str]:
    spec = cluster.spec
    if not facts.serves:
        yield "there are no Serve applications"
    elif not any(service.name == GATEWAY for service in cluster.services):
        why = cluster.site.absent.get(GATEWAY, "the spec leaves it out, or Serve has no HTTP proxy")
        yield f"there is no gateway that could lead requests over: {why}"
    if not facts.head_is_well:
        yield "the head is not well"
    if others:
        yield f"more than the app tier is replaced ({'; '.join(f'{name}: {why}' for name, why in others.items())})"
    if keep:
        yield "`--keep` leaves what came up, and there would be two"
    if _has_gpus(spec):
        yield "both would use the same GPUs"
    yield from _of_containers(cluster) if cluster.site.engine else _of_shared_memory(spec)


def _of_containers(cluster: Cluster) -> Iterator[str]:
    """Each has shared memory of its own; in a network of their own a port is published by one alone."""
    spec, site, groups = cluster.spec, cluster.site, by_group(cluster.spec.workers)
    if not in_own_network(site):
        return
    if published := [name for name, service in services_in_head(spec).items() if service.ports]:
        names, verb = ", ".join(published), "have" if len(published) > 1 else "has"
        yield f"{names} {verb} ports that the head's container publishes, and two heads cannot publish the same"
    if not has_room_for_two(site, max((place_of(name, groups) for name in by_name(spec.workers)), default=0)):
        yield f"the containers' network has no addresses for another {spec.workers.count} workers"


def _of_shared_memory(spec: Spec) -> Iterator[str]:
    asked, left = sum(shm.stores(spec)), shm.room(running=False)
    if asked > left:
        yield f"another {asked / 2**30:.2g} GiB of object stores do not fit into /dev/shm ({left / 2**30:.2g} GiB free)"


def _has_gpus(spec: Spec) -> bool:
    """Where the spec says nothing Ray takes what the machine has."""
    return any(GPU.exists() if node.gpus is None else node.gpus for node in nodes_of(spec).values())


def _with_memory(needed: int, kept_bytes: int) -> SecondGeneration:
    found = machine()
    free = found.memory_available_bytes + kept_bytes - int(SHARE_LEFT * found.memory_total_bytes)
    if needed <= free:
        return SecondGeneration(memory_bytes=needed)
    why = (
        f"another app tier takes about {needed / 2**30:.2g} GiB of memory, and {max(0, free) / 2**30:.2g} GiB are free"
    )
    return SecondGeneration((why,), needed)
