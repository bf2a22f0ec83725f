"""Processes in a control group of their own for a while, with a limit. Only root may, and only with cgroup v1's
controllers: with v2 the limit would have to be allowed by every group above."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PIDS, MEMORY = "pids", "memory"
MEMBERS = "cgroup.procs"
LEAVE_S = 20.0


def why_not(controller: str) -> str:
    if not (ROOT / controller / MEMBERS).exists():
        return f"this machine has no {controller} controller of cgroup v1"
    return "" if os.access(ROOT / controller / MEMBERS, os.W_OK) else "only root can make a control group"


@contextlib.contextmanager
def together(controller: str, pids: Iterable[int]) -> Iterator[Path]:
    """These processes, and whatever they start, in a new group: its folder. Afterwards they are where they were."""
    folder = ROOT / controller / f"daybreak-chaos-{os.getpid()}"
    members = list(pids)
    before = _group_of(controller, members[0])
    folder.mkdir()
    try:
        _move(members, folder)
        yield folder
    finally:
        _leave(folder, before)


def _leave(folder: Path, other: Path) -> None:
    """More than once: they start others meanwhile. Raises OSError where some stay."""
    deadline_s = time.monotonic() + LEAVE_S
    while (left := (folder / MEMBERS).read_text().split()) and time.monotonic() < deadline_s:
        _move(map(int, left), other)
    folder.rmdir()


def _move(pids: Iterable[int], folder: Path) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            (folder / MEMBERS).write_text(str(pid))


def _group_of(controller: str, pid: int) -> Path:
    """From its file in /proc: lines of number, controllers, path."""
    lines = (line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    path = next(path for _, names, path in lines if controller in names.split(","))
    return ROOT / controller / path.strip("/")
