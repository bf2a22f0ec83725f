"""What processes of this machine take of its memory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from daybreak.backends.base import Handle, State
from daybreak.backends.process.members import Scan

PRIVATE = re.compile(r"^Private_(?:Clean|Dirty|Hugetlb):\s+(\d+) kB$", re.MULTILINE)


def private_bytes(pid: int) -> int:
    """What a process alone takes, in bytes; 0 where that cannot be read."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(kib) for kib in PRIVATE.findall(text)) * 1024


def of_instances(handles: Iterable[Handle], forks: Path) -> int:
    """What the processes of these take, in bytes; what they share with the template they come from is not counted.
    Blocks."""
    scan = Scan()
    found = (handle for handle in handles if handle.state is not State.BROKEN)
    pids = {process.pid for handle in found for process in scan.of(handle, forks)}
    return sum(map(private_bytes, pids))
