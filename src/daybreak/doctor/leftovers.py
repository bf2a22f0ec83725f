"""What of daybreak's is left in Docker: what has its label and is not used. Pure: it judges what an engine lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from daybreak.doctor.engines import LABEL, Engine, Leftover

STOPPED = ("created", "exited", "dead")
Raw = Mapping[str, Any]


def unused(engine: Engine, is_known: Callable[[str], bool]) -> list[Leftover]:
    """What carries the label and is not used, in the order in which it can be deleted.

    A container is used while it runs, whatever it is in; networks, volumes and images are while any container that
    stays has them, a stopped one and somebody else's included. `is_known` says whether a cluster of this name is known
    here: what it has is its own, but for the images that a newer build of the same name has replaced.
    Raises DaybreakError where the engine does not answer.
    """
    containers = engine.listed("container")
    left = [raw for raw in containers if _is_left(raw, is_known)]
    used = {thing for raw in containers if raw not in left for thing in _uses(raw)}
    found = [Leftover("container", (str(raw["Name"]).lstrip("/"),), _cluster(raw)) for raw in left]
    found += [one for raw in engine.listed("network") if (one := _named("network", raw, used))]
    found += [one for raw in engine.listed("volume") if (one := _named("volume", raw, used))]
    # Only images may go from under a cluster that is known: those that have lost their name.
    found = [one for one in found if not is_known(one.cluster)]
    for raw in engine.listed("image"):
        if LABEL in _labels(raw) and raw["Id"] not in used and not (raw.get("RepoTags") and is_known(_cluster(raw))):
            found.append(Leftover("image", tuple(raw.get("RepoTags") or [raw["Id"]]), _cluster(raw), raw.get("Size")))
    return found


def _is_left(container: Raw, is_known: Callable[[str], bool]) -> bool:
    return LABEL in _labels(container) and container["State"]["Status"] in STOPPED and not is_known(_cluster(container))


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
    if LABEL not in _labels(raw) or raw["Name"] in used or raw.get("Id") in used:
        return None
    return Leftover(kind, (str(raw["Name"]),), _cluster(raw))


def _labels(raw: Raw) -> Mapping[str, str]:
    """Containers and images have them in their configuration."""
    labels: Mapping[str, str] | None = (raw.get("Config") or raw).get("Labels")
    return labels or {}


def _cluster(raw: Raw) -> str:
    return _labels(raw).get(LABEL, "?")
