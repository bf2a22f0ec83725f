"""The control group of one run: every process that its commands started, also those that left parent and session.

cgroup v2 counts the processor time of all its processes, ended ones included. A group needs root, or a folder that the
user may write to; where there is none, time and memory are not measured, and the results say so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

MOUNTS = Path("/proc/self/mountinfo")
OWN = Path("/proc/self/cgroup")
# The shell puts itself into the group before it becomes the command, so that nothing of it is missed.
ENTER = 'echo 0 >"$0" && exec "$@"'
END_S = 20.0
END_EVERY_S = 0.05


class Group:
    """One control group; `folder` is its place below the mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls) -> Self | None:
        """A new empty group beside this process, or None where that is not allowed."""
        try:
            parent = own_folder(MOUNTS.read_text(), OWN.read_text())
            if parent is None:
                return None
            folder = parent / f"daybreak-bench-{os.getpid()}-{time.monotonic_ns()}"
            folder.mkdir()
        except OSError:
            return None
        if os.access(folder / "cgroup.procs", os.W_OK) and (folder / "cpu.stat").exists():
            return cls(folder)
        folder.rmdir()
        return None

    def entering(self, argv: Iterable[str]) -> list[str]:
        """The same command, begun inside the group."""
        return ["/bin/sh", "-c", ENTER, str(self.folder / "cgroup.procs"), *argv]

    def pids(self) -> list[int]:
        """Its living processes; what has ended and was not waited for is not among them."""
        return [int(line) for line in (self.folder / "cgroup.procs").read_text().split()]

    def cpu_s(self) -> float:
        """Seconds of processor time, user and system, of all processes that are or were in it."""
        return usage_s((self.folder / "cpu.stat").read_text())

    def pss_bytes(self) -> int:
        """Memory in use, pages that several processes share counted once."""
        return sum(_pss_bytes(pid) for pid in self.pids())

    def close(self) -> list[str]:
        """End the group; returns what had not ended by itself some seconds later and was killed, in words."""
        self._wait_until_empty()
        left = [f"{_command(pid)} (pid {pid})" for pid in self.pids()]
        if self.populated:
            (self.folder / "cgroup.kill").write_text("1")
            self._wait_until_empty()
        self._remove()
        return left

    @property
    def populated(self) -> bool:
        """Whether a process is in it; one that is just ending counts, though `pids` no longer shows it."""
        return "populated 1" in (self.folder / "cgroup.events").read_text()

    def _wait_until_empty(self) -> None:
        deadline = time.monotonic() + END_S
        while self.populated and time.monotonic() < deadline:
            time.sleep(END_EVERY_S)

    def _remove(self) -> None:
        """The kernel keeps a folder busy for a moment after its last process has gone."""
        deadline = time.monotonic() + END_S
        while True:
            try:
                self.folder.rmdir()
                return
            except OSError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(END_EVERY_S)


def own_folder(mounts: str, own: str) -> Path | None:
    """Where this process stands in the cgroup v2 tree, from its mountinfo and cgroup files; None without one."""
    mount = next(
        (fields[4] for line in mounts.splitlines() if "cgroup2" in (fields := line.split())[fields.index("-") :]), None
    )
    path = next((line.removeprefix("0::") for line in own.splitlines() if line.startswith("0::")), None)
    return Path(mount) / path.strip("/") if mount is not None and path is not None else None


def usage_s(stat: str) -> float:
    """`usage_usec` of a cpu.stat file, in seconds."""
    return next(int(line.split()[1]) for line in stat.splitlines() if line.startswith("usage_usec ")) / 1e6


def pss_of(rollup: str) -> int:
    """`Pss` of a smaps_rollup file, in bytes; 0 where there is none."""
    found = (line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(next(found, 0)) * 1024


def _pss_bytes(pid: int) -> int:
    try:
        return pss_of(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it ended meanwhile


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b" ".join(words).decode(errors="replace").strip()[:100] or Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"
