"""Whatever a cluster is to bear, by name."""

from __future__ import annotations

from bench.faults import crowds, floods, groups, shortages
from bench.faults.blow import Kind
from bench.faults.distress import Distress

FLOOD_S = 30.0


def flood(seconds: float = FLOOD_S) -> Distress:
    return Distress(
        "log-flood",
        f"{floods.LINES:,} log lines/s from a replica for {seconds:g} s",
        floods.asking("/flood", seconds, lines=floods.LINES, seconds=seconds, size=floods.LINE_BYTES),
        lasts_s=seconds,
    )


def full_disk(place: str, title: str) -> Distress:
    small = frozenset() if place == "shm" else frozenset({place})
    return Distress(f"full-{place}", title, shortages.full(place), against=shortages.not_small(place), kind=Kind(small))


DISTRESSES = (
    Distress(
        "silent",
        f"{crowds.SILENT:,} silent connections to gateway, dashboard, page, PostgreSQL and Redis each",
        crowds.silent,
        against=crowds.too_few_files,
    ),
    Distress("slow-readers", f"{crowds.SLOW_READERS} clients that do not read their streams", crowds.slow_readers),
    flood(),
    Distress("long-line", "a log line of 10 MB", floods.asking("/line", 10.0, size=floods.LONG_LINE_BYTES), 10.0),
    full_disk("state", "no space in the state folder for 20 s"),
    full_disk("runtime", "no space in the runtime folder for 20 s"),
    full_disk("data", "no space for stored data for 20 s"),
    full_disk("shm", "no space in /dev/shm for 20 s"),
    Distress(
        "no-files",
        f"the keeper may open {shortages.SPARE_FILES} files more for 20 s",
        shortages.no_files_for_the_keeper,
    ),
    Distress(
        "no-processes",
        "no more processes or threads for 20 s",
        shortages.no_processes,
        against=lambda _: groups.why_not(groups.PIDS),
    ),
    *(
        Distress(
            f"no-memory-{place}",
            f"no memory for {title}",
            shortages.no_memory(place),
            against=lambda _: groups.why_not(groups.MEMORY),
        )
        for place, title in (("replica", "a replica"), ("worker", "a worker node and the replicas"))
    ),
)
