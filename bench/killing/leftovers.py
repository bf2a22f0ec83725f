"""What a cluster that was stopped has left on its machine: processes, sockets, shared memory, temporary files."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
TEMPORARY = Path("/tmp")
# What Ray and daybreak would name their folders there; Python's own lie where TMPDIR says.
OURS = ("ray", "plasma", "daybreak")


class Noted:
    """What the cluster has had of the machine's folders: other clusters come and go meanwhile, killed ones as well."""

    def __init__(self, home: Path, runtime: Path) -> None:
        self._home, self._runtime = home, runtime
        self._before = frozenset(_temporary())
        self._shared: set[str] = set()

    def note(self) -> None:
        """Note the shared memory that it has now."""
        for pid, _ in processes(self._home, self._runtime):
            self._shared |= {name for name in _held(pid) if name.startswith(f"{SHARED_MEMORY}/")}

    def left(self) -> list[str]:
        """In words, all that is left; empty where nothing is. The keeper leaves a second later, and is waited for by
        whoever asks again."""
        found = [f"process {pid} {words}" for pid, words in processes(self._home, self._runtime)]
        found += [f"socket {path}" for path in sorted(self._runtime.rglob("*")) if _is_socket(path)]
        found += [f"folder {path}" for path in sorted(self._runtime.glob("*/*/*")) if not _is_log(path)]
        made = {name for name in frozenset(_temporary()) - self._before if os.path.basename(name).startswith(OURS)}
        return found + [f"entry {name}" for name in sorted(self._shared | made) if os.path.lexists(name)]


def processes(home: Path, runtime: Path) -> Iterator[tuple[int, str]]:
    """Pid and command line of those that name one of the two folders, in their environment or on their command line;
    none that has ended."""
    wanted = [str(home).encode(), str(runtime).encode()]
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        place = Path(f"/proc/{pid}")
        try:
            line, variables = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
        except OSError:
            continue
        if pid != os.getpid() and any(name in line + variables for name in wanted):
            yield pid, line.replace(bytes(1), b" ").decode(errors="replace")[:120]


def _temporary() -> Iterator[str]:
    return (f"{TEMPORARY}/{name}" for name in os.listdir(TEMPORARY))


def _held(pid: int) -> Iterator[str]:
    """The files that a process has open or mapped; none where it has ended."""
    for folder in (f"/proc/{pid}/map_files", f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                with contextlib.suppress(OSError):
                    yield os.readlink(f"{folder}/{name}")


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
