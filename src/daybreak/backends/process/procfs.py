"""Linux processes: which namespace and boot their numbers belong to, and the markers of what daybreak starts."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import cache
from pathlib import Path

from daybreak.programs.common.proc import (
    Process,
    alive,
    children,
    command_line,
    descendants,
    environment,
    is_helper,
    open_files,
    processes,
    read,
    working_folder,
)

__all__ = [
    "Process",
    "alive",
    "boot_id",
    "children",
    "command_line",
    "descendants",
    "environment",
    "is_helper",
    "mentioned",
    "open_files",
    "pid_namespace",
    "processes",
    "read",
    "shares",
    "working_folder",
]
PROC = Path("/proc")
MARKER = "DAYBREAK_INSTANCE"
# A keeper has this one alone, its services both.
CLUSTER_MARKER = "DAYBREAK_CLUSTER_ROOT"
# What it is: all that is known of one whose record was never written.
SERVICE_MARKER, TIER_MARKER = "DAYBREAK_SERVICE", "DAYBREAK_TIER"


@cache
def pid_namespace() -> str:
    """What a pid means something in: a name that the kernel gives, such as `pid:[4026531836]`."""
    try:
        return os.readlink(PROC / "self/ns/pid")
    except OSError:
        return ""


def shares(pid: int, kind: str) -> bool:
    """Is the process in the same namespace as this one? `kind` is `mnt`, `net`, `pid`; yes where it cannot be known."""
    try:
        return os.readlink(PROC / str(pid) / "ns" / kind) == os.readlink(PROC / "self/ns" / kind)
    except OSError:
        return True


@cache
def boot_id() -> str:
    """Changes with every boot of the machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def mentioned(words: Collection[str]) -> set[str]:
    """Those of `words` that any process has in its command line, its working folder or the paths of its open files.

    Of another user's process only the command line can be read.
    """
    found: set[str] = set()
    for process in processes():
        texts = [command_line(process.pid), working_folder(process.pid), *open_files(process.pid)]
        found |= {word for word in words if any(word in text for text in texts)}
    return found
