"""Space and inodes where clusters keep their state and Ray its sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, ok, warning
from daybreak.show.text import size

# Above 95 % Ray spills no objects any more (RAY_local_fs_capacity_threshold).
RAY_STOPS_ABOVE = 0.95
LEAST_BYTES = 256 * 2**20
LEAST_INODES = 1000
FEW_INODES_SHARE = 0.05


@dataclass(frozen=True)
class Disk:
    """One file system: the folder that was asked about, bytes and inodes. `inodes` is 0 where there is no limit."""

    folder: Path
    total: int
    free: int
    inodes: int
    inodes_free: int


def look(case: Case) -> Iterator[Finding]:
    """Each file system once."""
    places = {nearest(path) for path in (case.paths.root, case.paths.runtime)}
    disks = {os.stat(place).st_dev: measure(place) for place in sorted(places)}
    for disk in disks.values():
        yield from judge(disk)


def nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def measure(folder: Path) -> Disk:
    """What is left for this user."""
    found = os.statvfs(folder)
    # What only root may use counts as used, as in `df`.
    total = (found.f_blocks - found.f_bfree + found.f_bavail) * found.f_frsize
    return Disk(folder, total, found.f_bavail * found.f_frsize, found.f_files, found.f_favail)


def judge(disk: Disk) -> Iterator[Finding]:
    """What is short."""
    left = f"{size(disk.free)} of {size(disk.total)} are free for {disk.folder}"
    largest = f"du -xh --max-depth=2 {disk.folder} | sort -h | tail"
    used = 1 - disk.free / disk.total if disk.total else 1.0
    if disk.free < LEAST_BYTES:
        yield error(left, "a start fails where nothing can be written, and databases stop", largest)
    elif used > RAY_STOPS_ABOVE:
        yield warning(left, f"above {RAY_STOPS_ABOVE:.0%} Ray spills no objects any more, and tasks fail", largest)
    elif disk.inodes > 0 and disk.inodes_free < max(LEAST_INODES, disk.inodes * FEW_INODES_SHARE):
        say = error if disk.inodes_free < LEAST_INODES else warning
        yield say(
            f"{disk.inodes_free} of {disk.inodes} inodes are free for {disk.folder}",
            "without one no file can be made, however much space is left",
            f"find {disk.folder} -xdev -type f | cut -d/ -f2-4 | sort | uniq -c | sort -n | tail",
        )
    else:
        yield ok(left)
