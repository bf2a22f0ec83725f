"""What a cluster holds of its machine at one moment: memory, files, sockets, processes, disk, shared memory."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.commands import Commands
from bench.enduring.growth import Holdings
from bench.group import pss_of

SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Process:
    """What one process holds; `sockets` are among its `files`."""

    pid: int
    bytes: int
    files: int
    sockets: int


def look(commands: Commands) -> Holdings:
    """Of the one daybreak cluster that the commands have started. Raises RunFailed where it does not tell its status.

    Shared memory and the folder for temporary files are the whole machine's: what a cluster leaves there belongs to no
    process any more.
    """
    status = json.loads(commands.run("daybreak", "status", "--json").output())
    pids = {row["name"]: row["pid"] for row in status["services"]}
    gateway, prometheus = pids.get("gateway"), pids.get("prometheus")
    found_by_pid = {each.pid: each for each in processes_of(str(commands.daybreak_home), str(commands.runtime))}
    found = {"processes_count": len(found_by_pid)}
    rest = [pid for pid in found_by_pid if pid != prometheus]
    groups = {"keeper": [status["keeper_pid"]], "gateway": [gateway], "prometheus": [prometheus], "cluster": rest}
    for name, members in groups.items():
        held = [found_by_pid[pid] for pid in members if pid in found_by_pid]
        found[f"{name}_bytes"] = sum(each.bytes for each in held)
        found[f"{name}_files_count"] = sum(each.files for each in held)
        found[f"{name}_sockets_count"] = sum(each.sockets for each in held)
    shared = os.statvfs(SHARED_MEMORY)
    return found | {
        "disk_bytes": disk_bytes(commands.daybreak_home) + disk_bytes(commands.runtime),
        "shared_memory_bytes": (shared.f_blocks - shared.f_bfree) * shared.f_frsize,
        "temporary_count": len(os.listdir(tempfile.gettempdir())),
    }


def disk_bytes(folder: Path) -> int:
    """What the files below a folder take; one that goes meanwhile does not count."""
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue
    return found


def processes_of(*folders: str) -> Iterator[Process]:
    """Those that name one of the folders, in their environment or on their command line."""
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        place = Path(f"/proc/{pid}")
        try:
            words = (place / "environ").read_bytes() + (place / "cmdline").read_bytes()
            if pid == os.getpid() or not any(folder.encode() in words for folder in folders):
                continue
            targets = [os.readlink(file) for file in (place / "fd").iterdir()]
            memory = pss_of((place / "smaps_rollup").read_text())
        except OSError:
            continue  # it has ended, or is somebody else's
        yield Process(pid, memory, len(targets), sum(target.startswith("socket:") for target in targets))
