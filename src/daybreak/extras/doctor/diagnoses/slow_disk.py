"""How long the disk of the state folder takes to keep what was written: a short, measured fsync."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.diagnoses.disk import nearest
from daybreak.extras.doctor.finding import Finding, ok, warning
from daybreak.show.text import seconds

WRITES = 5
LONGEST_S = 0.5
BLOCK = b"x" * 4096
# A disk with heads needs 10 to 20 ms; a commit of PostgreSQL takes one fsync.
SLOW_S = 0.05


def look(case: Case) -> Iterator[Finding]:
    """Measure where the databases' data lies, or will lie."""
    folder = nearest(case.paths.root)
    yield from judge(measure(folder), folder)


def measure(folder: Path) -> list[float]:
    """Seconds of a few writes of 4 KiB with fsync, for at most half a second. The file has no name: nothing is left."""
    samples: list[float] = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        began = time.perf_counter()
        while len(samples) < WRITES and time.perf_counter() - began < LONGEST_S:
            before = time.perf_counter()
            file.write(BLOCK)
            os.fsync(file.fileno())
            samples.append(time.perf_counter() - before)
    return samples


def judge(samples: list[float], folder: Path) -> Iterator[Finding]:
    """By the median: one slow write may be anybody's."""
    median_s = statistics.median(samples)
    found = f"an fsync in {folder} takes {seconds(median_s)}"
    if median_s > SLOW_S:
        yield warning(
            found,
            "every commit of a database waits for one, and so does the start",
            "DAYBREAK_HOME=/path/on/a/faster/disk daybreak up   # a network disk is no place for databases",
        )
    else:
        yield ok(found)
