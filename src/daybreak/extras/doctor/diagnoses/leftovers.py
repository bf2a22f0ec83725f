"""What of daybreak's is left in Docker: what has its label and is not used. Pure: it judges what an engine lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from daybreak.docker.labels import CLUSTER, COMPOSE
from daybreak.extras.doctor.engines import Engine, Leftover

STOPPED = ("created", "exited", "dead")
# What Compose has made has its image's labels, ours among them, and is Compose's to delete.
Raw = Mapping[str, Any]
Labels = Mapping[str, str]


def unused(engine: Engine, is_known: Callable[[Labels], bool]) -> list[Leftover]:
    """What carries the label and is not used, in the order in which it can be deleted.

    A container is used while it runs, whatever it is in; networks, volumes and images are while any container that
    stays has them, a stopped one and somebody else's included. `is_known` says by the labels whether a cluster is known
    here: what it has is its own, but for the images that a newer build of the same name has replaced.
    Raises DaybreakError where the engine does not answer.
    """
    containers = engine.listed("container")
    left = [raw for raw in containers if _is_left(raw, is_known)]
    used = {thing for raw in containers if raw not in left for thing in _uses(raw)}
    found = [Leftover("container", (str(raw["Name"]).lstrip("/"),), _cluster(raw)) for raw in left]
    for kind in ("network", "volume"):
        unknown = [raw for raw in engine.listed(kind) if not is_known(_labels(raw))]
        found += [one for raw in unknown if (one := _named(kind, raw, used))]
    # Only images may go from under a cluster that is known: those that have lost their name.
    for raw in engine.listed("image"):
        if CLUSTER in _labels(raw) and raw["Id"] not in used and not (raw.get("RepoTags") and is_known(_labels(raw))):
            found.append(Leftover("image", tuple(raw.get("RepoTags") or [raw["Id"]]), _cluster(raw), raw.get("Size")))
    return found


def _is_left(container: Raw, is_known: Callable[[Labels], bool]) -> bool:
    labels = _labels(container)
    ours = CLUSTER in labels and COMPOSE not in labels
    return ours and container["State"]["Status"] in STOPPED and not is_known(labels)


def _uses(container: Raw) -> Iterator[str]:
    """The id of its image, the names of its volumes, the names and ids of its networks: before its first start a
    container knows its networks by name alone."""
    yield str(container["Image"])
    for mount in container.get("Mounts") or ():
        if mount.get("Type") == "volume":
            yield str(mount["Name"])
    for name, network in ((container.get("NetworkSettings") or {}).get("Networks") or {}).items():
        yield from (str(name), str(network.get("NetworkID")))


def _named(kind: str, raw: Raw, used: set[str]) -> Leftover | None:
    if CLUSTER not in _labels(raw) or raw["Name"] in used or raw.get("Id") in used:
        return None
    return Leftover(kind, (str(raw["Name"]),), _cluster(raw))


def _labels(raw: Raw) -> Labels:
    """Containers and images have them in their configuration."""
    labels: Labels | None = (raw.get("Config") or raw).get("Labels")
    return labels or {}


def _cluster(raw: Raw) -> str:
    return _labels(raw).get(CLUSTER, "?")
