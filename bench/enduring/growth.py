"""Whether what is held grows with the restarts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

# What a cluster holds at one moment, by `Held.key`.
Holdings = Mapping[str, float]
# The first restarts fill caches, pools and logs that have a bound.
WARM_SHARE = 0.2
# Of the rest, its first and its last part are compared.
PART_SHARE = 0.25
# Of a part, so many looks find less.
LOW_SHARE = 0.1
MB = 1e6


@dataclass(frozen=True)
class Held:
    """One thing that is held. `most` is how much it may grow from the first part to the last one, where no growth is
    wanted: more than scatters from one look to the next, far less than a little for each restart would add up to. None
    for what is there to collect."""

    name: str
    unit: str
    title: str
    most: float | None

    @property
    def key(self) -> str:
        """In `Holdings`."""
        return f"{self.name}_{self.unit}"

    @property
    def measure(self) -> str:
        return f"{self.name}_growth_{self.unit}"


HELD = (
    Held("keeper", "bytes", "memory of the keeper", 5 * MB),
    # HAProxy keeps what the most requests that ever waited at once took: more may wait late in a run than ever before.
    Held("gateway", "bytes", "memory of the gateway", 5 * MB),
    Held("cluster", "bytes", "memory of all processes but Prometheus (PSS)", 20 * MB),
    # Each generation has series of its own, which it keeps in memory for two hours.
    Held("prometheus", "bytes", "memory of Prometheus", None),
    Held("keeper_files", "count", "open files of the keeper", 5),
    Held("gateway_files", "count", "open files of the gateway", 15),
    Held("cluster_files", "count", "open files of all processes", 20),
    Held("cluster_sockets", "count", "sockets of all processes", 15),
    Held("processes", "count", "processes", 2),
    Held("disk", "bytes", "disk: state and runtime folders", 20 * MB),
    Held("shared_memory", "bytes", "shared memory of the machine", 5 * MB),
    Held("temporary", "count", "entries of the machine's folder for temporary files", 2),
)


def parts(looks: Sequence[Holdings], key: str) -> tuple[float, float]:
    """What is held in the first and in the last part, without the first restarts; `looks` is not empty."""
    first, last = _both(looks, key)
    return _low(first), _low(last)


def growth_of_medians(looks: Sequence[Holdings], key: str) -> float:
    """Between the medians of both parts, which is told and not judged: what comes and goes is in it."""
    first, last = _both(looks, key)
    return median(last) - median(first)


def _both(looks: Sequence[Holdings], key: str) -> tuple[Sequence[float], Sequence[float]]:
    values = [look[key] for look in looks[int(len(looks) * WARM_SHARE) :]]
    count = max(1, round(len(values) * PART_SHARE))
    return values[:count], values[-count:]


def _low(values: Sequence[float]) -> float:
    """What is held for a while, as by replicas that drain, comes and goes. What has grown stays."""
    return sorted(values)[int(len(values) * LOW_SHARE)]


def growth(looks: Sequence[Holdings]) -> dict[str, float]:
    """By measure, what came on top."""
    found = {held.measure: parts(looks, held.key) for held in HELD}
    return {name: late - early for name, (early, late) in found.items()}
