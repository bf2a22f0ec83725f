"""What a cluster that was stopped has left on its machine: processes, sockets, shared memory, temporary files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
TEMPORARY = Path("/tmp")
# Names that Ray, Python's multiprocessing, PostgreSQL and daybreak give what they make there.
OURS = ("ray", "plasma", "psm_", "pymp-", "sem.", "PostgreSQL", "daybreak", "__KMP", ".s.PGSQL")


@dataclass(frozen=True)
class Before:
    """What lay in the machine's folders before anything was started."""

    entries: frozenset[str]

    @classmethod
    def now(cls) -> Before:
        return cls(frozenset(_entries()))


def left(before: Before, home: Path, runtime: Path) -> list[str]:
    """In words, all that is left; empty where nothing is. The keeper leaves a second later, and is waited for by
    whoever asks again."""
    found = [f"process {words}" for words in processes(home, runtime)]
    for path in sorted(runtime.rglob("*")):
        if _is_socket(path):
            found.append(f"socket {path}")
    found += [f"folder {path}" for path in sorted(runtime.glob("*/*/*")) if not _is_log(path)]
    mapped = _mapped()
    found += [
        f"entry {entry}"
        for entry in sorted(frozenset(_entries()) - before.entries)
        if os.path.basename(entry).startswith(OURS) and entry not in mapped and os.path.lexists(entry)
    ]
    return found


def processes(home: Path, runtime: Path) -> Iterator[str]:
    """Those that name one of the two folders, in their environment or on their command line; none that has ended."""
    wanted = [str(home).encode(), str(runtime).encode()]
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        place = Path(f"/proc/{pid}")
        try:
            line, variables = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
        except OSError:
            continue
        if pid != os.getpid() and any(name in line + variables for name in wanted):
            yield f"{pid} {line.replace(bytes(1), b' ').decode(errors='replace')[:120]}"


def _entries() -> Iterator[str]:
    for folder in (SHARED_MEMORY, TEMPORARY):
        for name in os.listdir(folder):
            yield f"{folder}/{name}"


def _mapped() -> set[str]:
    """Shared memory that some process has: another cluster's."""
    found = set()
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            for name in os.listdir(f"/proc/{pid}/map_files"):
                found.add(os.readlink(f"/proc/{pid}/map_files/{name}"))
            for name in os.listdir(f"/proc/{pid}/fd"):
                found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            continue
    return found


def _is_log(path: Path) -> bool:
    """The last logs of each node stay: whoever looks for what went wrong reads them."""
    if path.is_symlink():
        return path.name == "session_latest"
    return path.name.startswith("session_") and {inner.name for inner in path.iterdir()} <= {"logs"}


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False
