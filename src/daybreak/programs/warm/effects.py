"""What the import of a module may leave in the process that its forks could not have as a process of their own has it:
threads, open files, handlers of signals, memory that is shared, another folder.
"""

import os
import sys
from typing import Any, Dict, FrozenSet, NamedTuple, Optional

# The C library's own, set with the first thread.
INTERNAL_SIGNALS = (1 << 31) | (1 << 32)
KINDS = {"socket": "a socket", "pipe": "a pipe", "anon_inode": "a file of the kernel's"}


class Look(NamedTuple):
    """What there is at one moment. What comes after `files` takes longer to find out: None where nobody asked."""

    threads: int
    ray: bool
    files: Dict[int, str]
    signals: Optional[FrozenSet[int]]
    shared: Optional[FrozenSet[str]]
    place: Any


def look(closely: bool = False) -> Look:
    """`closely`: everything, which takes some milliseconds."""
    return Look(
        threads=len(os.listdir("/proc/self/task")),
        ray="ray" in sys.modules,
        files=_files(),
        signals=_signals() if closely else None,
        shared=_shared() if closely else None,
        place=(os.getcwd(), list(sys.path), os.sched_getaffinity(0), _for_children()) if closely else None,
    )


def harm(before: Look, after: Look) -> str:
    """Why a process that was changed like that cannot be forked; empty where it can."""
    if after.threads > before.threads:
        return "it starts threads when it is imported"
    if after.ray and not before.ray:
        return "it imports Ray"
    for fd, what in after.files.items():
        if before.files.get(fd) != what:
            kind = what.partition(":")[0]
            return f"it holds {KINDS.get(kind, what)} open when it is imported"
    if after.signals != before.signals:
        return "it handles signals when it is imported"
    if after.shared is not None and before.shared is not None and after.shared - before.shared:
        return "it shares memory with other processes when it is imported"
    if after.place != before.place:
        return "it changes the process's folder, search paths or processors when it is imported"
    return ""


def _for_children() -> Dict[str, str]:
    """What every process that is started from here would begin with."""
    return {name: value for name, value in os.environ.items() if name.startswith(("LD_", "PYTHON"))}


def _files() -> Dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # the listing's own
    return found


def _signals() -> FrozenSet[int]:
    """Which are caught or ignored, also by libraries that Python does not know of."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigCgt", "SigIgn"))]
    return frozenset(index * 64 + bit for index, mask in enumerate(masks) for bit in _bits(mask & ~INTERNAL_SIGNALS))


def _bits(mask: int) -> FrozenSet[int]:
    return frozenset(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def _shared() -> FrozenSet[str]:
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        return frozenset(line.split()[0] for line in file if line.split()[1] == "rw-s")
