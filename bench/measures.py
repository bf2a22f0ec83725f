"""What is measured, and how it is written. Pure. A measure's name carries its unit."""

from __future__ import annotations

from dataclasses import dataclass

from bench.enduring.growth import HELD


@dataclass(frozen=True)
class Measure:
    """One quantity; `title` is what the tables call it.

    What `scatters` may differ from run to run as it likes: what failed, and the worst of many.
    """

    name: str
    title: str
    more_is_better: bool = False
    scatters: bool = False


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
    Measure("join_s", "a machine joins, until its node is alive"),
    Measure("further_s", "a further worker there, until alive"),
    Measure("keeper_bytes", "the keeper's memory (PSS)"),
    Measure("busy_ms", "the keeper's processor time in a second"),
    Measure("plan_s", "`daybreak plan`"),
    Measure("moved_s", "until requests are answered in time", scatters=True),
    Measure("requests_count", "requests", more_is_better=True),
    Measure("failed_count", "failed or cut", scatters=True),
    Measure("refused_count", "refused", scatters=True),
    Measure("cut_count", "cut", scatters=True),
    Measure("server_error_count", "status 500 and above", scatters=True),
    Measure("not_found_count", "status 404", scatters=True),
    Measure("other_status_count", "other status", scatters=True),
    Measure("timed_out_count", "timed out", scatters=True),
    Measure("closed_count", "messages under way when their WebSocket was closed in order", scatters=True),
    Measure("new_code_s", "first answer of the new code"),
    Measure("replaced_s", "last answer of the old code"),
    Measure("told_s", "until the tool says so"),
    Measure("deployments_count", "deployments replaced"),
    Measure("tests_s", "from the command to its end"),
    Measure("memory_growth_bytes", "memory more at the end", scatters=True),
    Measure("processes_growth_count", "processes more at the end", scatters=True),
    Measure("silence_s", "longest stretch of requests without an answer", scatters=True),
    Measure("slowest_s", "slowest answer", scatters=True),
    Measure("p50_before_ms", "median latency before"),
    Measure("p50_during_ms", "median latency during it", scatters=True),
    Measure("p99_before_ms", "99th percentile before", scatters=True),
    Measure("p99_during_ms", "99th percentile during it", scatters=True),
    Measure("p99_ratio", "99th percentile during it beside before", scatters=True),
    Measure("command_s", "until the command returned"),
    Measure("held_ratio", "slowest answer beside the command's time", scatters=True),
    Measure("warm_up_s", "a warm `daybreak up`, until it returned"),
    Measure("warm_up_ratio", "first answer of the new code beside a warm `daybreak up`"),
    Measure("restarts_count", "restarts", more_is_better=True),
    Measure("faults_count", "faults", more_is_better=True),
    Measure("unhealed_count", "faults that did not heal", scatters=True),
    Measure("lies_count", "times that status called unserved requests ready", scatters=True),
    Measure("lost_count", "acknowledged writes lost", scatters=True),
    Measure("exceeded_count", "bounds passed", scatters=True),
    *(Measure(held.measure, f"growth, {held.title}", scatters=True) for held in HELD),
)
MEASURES = {measure.name: measure for measure in ALL}


def written(name: str, value: float, *, unit: bool = True) -> str:
    """A value as people read it, such as `10.3 s` or `1,151 MB`; without its unit where a range follows."""
    number, word = _number(name, value)
    return f"{number} {word}".rstrip() if unit else number


def _number(name: str, value: float) -> tuple[str, str]:
    if name.endswith("_bytes"):
        return f"{round(value / 1e6):,}", "MB"  # never -0
    if name.endswith("_count"):
        return f"{value:,.0f}", ""
    if name.endswith("_ratio"):
        return f"{value:.2f}", "times"
    if name == "requests_per_s":
        return f"{value:,.0f}", "/s"
    if name.endswith("_ms"):
        return f"{value:.1f}", "ms"
    # A tenth of a second says nothing about what takes less than one.
    return (f"{value:.2f}" if value < 1 else f"{value:.1f}"), "s"
