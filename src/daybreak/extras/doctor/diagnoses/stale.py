"""What keepers that were killed have left: sockets that nobody listens on, locks that somebody else still holds."""

from __future__ import annotations

import os
import shlex
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from daybreak.backends.process import procfs
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.diagnoses.locks import holder_of, listening_sockets
from daybreak.extras.doctor.diagnoses.orphans import YOUNGEST_S
from daybreak.extras.doctor.finding import Finding, note, ok, warning
from daybreak.paths import ClusterPaths, runtime_root, state_root
from daybreak.show.text import plural

SOCKETS = ("keeper.sock", "warm/template.socket")


def look(case: Case, youngest_s: float = YOUNGEST_S) -> Iterator[Finding]:
    """Locks of all clusters, then sockets of all."""
    del case
    listening = listening_sockets()
    clusters = [ClusterPaths.of(folder.parent.name) for folder in state_root().glob("*/keeper.lock")]
    findings = [found for paths in clusters for found in _lock(paths, listening, youngest_s)]
    left = [path for path in _sockets() if not _is_served(path, listening) and not _is_young(path, youngest_s)]
    if left:
        findings.append(
            note(
                f"{plural(len(left), 'socket')} of keepers that were killed: {', '.join(map(str, left[:3]))}",
                "they do no harm: the next keeper of the cluster replaces its own",
                f"rm {' '.join(shlex.quote(str(path)) for path in left)}",
            )
        )
    yield from findings or [ok(f"none in {state_root()} and {runtime_root()}")]


def _lock(paths: ClusterPaths, listening: set[str], youngest_s: float) -> Iterator[Finding]:
    """A file that names a dead process is no lock: only one that is held keeps a keeper from starting."""
    holder = holder_of(paths.lock)
    if holder is None or _is_served(paths.socket, listening):
        return
    process = procfs.read(holder)
    age_s = _age_s(process) if process else youngest_s
    if process and not procfs.shares(holder, "mnt"):
        yield note(
            f"{paths.lock} is held by pid {holder} ({process.comm}), which sees other file systems, as in a container",
            f"cluster {paths.name} can be asked only where its keeper runs",
            f"nsenter --target {holder} --mount --net   # a shell there",
        )
    elif age_s >= youngest_s:  # a keeper that is just starting has the lock before it listens
        yield warning(
            f"{paths.lock} is held by pid {holder}{f' ({process.comm})' if process else ''}, and no keeper answers",
            f"no keeper of cluster {paths.name} can start while it is held",
            f"kill {holder}",
        )


def _age_s(process: procfs.Process) -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - process.started_ticks / os.sysconf("SC_CLK_TCK")


def _sockets() -> list[Path]:
    found = []
    for path in (folder / name for folder in runtime_root().glob("*") for name in SOCKETS):
        try:
            if stat.S_ISSOCK(path.stat().st_mode):
                found.append(path)
        except OSError:
            continue
    return found


def _is_served(path: Path, listening: set[str]) -> bool:
    """The template listens before its socket gets this name: the kernel knows it by the first, which has its pid.

    The kernel's table is that of this network namespace; whoever listens in another one is asked.
    """
    known = str(path) in listening or any(name.startswith(f"{path}.") for name in listening)
    return known or _accepts(path)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as made:
        made.setblocking(False)
        try:
            made.connect(str(path))
        except BlockingIOError:
            return True  # so many wait that it cannot be asked
        except OSError:
            return False
    return True


def _is_young(path: Path, youngest_s: float) -> bool:
    """A socket is in the file system a moment before it is listened on."""
    try:
        return time.time() - path.stat().st_mtime < youngest_s
    except OSError:
        return True
