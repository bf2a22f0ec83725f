"""What is measured, and how it is written. Pure. A measure's name carries its unit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One quantity; `title` is what the tables call it."""

    name: str
    title: str
    more_is_better: bool = False


ALL = (
    Measure("first_200_s", "first HTTP 200"),
    Measure("all_nodes_s", "all nodes and the dashboard"),
    Measure("cpu_s", "CPU time of the start"),
    Measure("pss_bytes", "memory (PSS)"),
    Measure("replica_s", "from request to RUNNING"),
    Measure("tasks_s", "from submit to all results"),
    Measure("actors_s", "from creation to all answers"),
    Measure("requests_per_s", "requests per second", more_is_better=True),
    Measure("p50_ms", "median latency"),
    Measure("p99_ms", "99th percentile of latency"),
    Measure("per_worker_s", "time per further worker, until alive"),
    Measure("per_worker_returned_s", "time per further worker, until the command returned"),
)
MEASURES = {measure.name: measure for measure in ALL}


def written(name: str, value: float, *, unit: bool = True) -> str:
    """A value as people read it, such as `10.3 s` or `1,151 MB`; without its unit where a range follows."""
    number, word = _number(name, value)
    return f"{number} {word}" if unit else number


def _number(name: str, value: float) -> tuple[str, str]:
    if name.endswith("_bytes"):
        return f"{value / 1e6:,.0f}", "MB"
    if name == "requests_per_s":
        return f"{value:,.0f}", "/s"
    if name.endswith("_ms"):
        return f"{value:.1f}", "ms"
    # A tenth of a second says nothing about what takes less than one.
    return (f"{value:.2f}" if value < 1 else f"{value:.1f}"), "s"
