"""The log files of a cluster: every service's own, and Ray's behind it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from daybreak.paths import ClusterPaths

KEEPER = "keeper"
RAY_LOGS = {
    "head": ("gcs_server.out", "gcs_server.err", "raylet.out", "raylet.err", "dashboard.log", "dashboard.err"),
    "worker": ("raylet.out", "raylet.err"),
    "serve": ("serve/*.log",),
}
# What is read at once.
MOST_BYTES = 1024 * 1024


def known(paths: ClusterPaths) -> list[str]:
    """The services that have a log, the keeper included."""
    return sorted(path.stem for path in paths.logs.glob("*.log"))


def files(paths: ClusterPaths, services: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Label and path of every log of the services; to be asked again now and then, since a restart makes new ones."""
    for service in services:
        yield service, paths.logs / f"{service}.log"
        node = "head" if service == "serve" else service
        folder = paths.ray_temp(node) / "session_latest" / "logs"
        for pattern in RAY_LOGS.get("worker" if service.startswith("worker-") else service, ()):
            for path in sorted(folder.glob(pattern)):
                if path.stat().st_size:
                    yield f"{service}/{path.name}", path


def new_lines(path: Path, positions: dict[Path, int], most_bytes: int = MOST_BYTES) -> list[str]:
    """Complete lines written since the last look, of at most `most_bytes` together; what is more comes the next time.

    A file that has shrunk was rotated and is read from its start. A line of `most_bytes` and more comes in parts.
    """
    try:
        size = path.stat().st_size
        at = positions.get(path, 0)
        if size < at:
            at = 0
        if size == at:
            positions[path] = at
            return []
        with open(path, "rb") as file:
            file.seek(at)
            data = file.read(min(size - at, most_bytes))
    except OSError:
        return []
    whole, newline, _ = data.rpartition(b"\n")
    if not newline and len(data) < most_bytes:
        return []
    positions[path] = at + (len(whole) + 1 if newline else len(data))
    return (whole if newline else data).decode(errors="replace").split("\n")


def last_lines(path: Path, lines: int, positions: dict[Path, int], most_bytes: int = 256 * 1024) -> list[str]:
    """The last complete lines of a file, from its last `most_bytes` at most; `positions` then says where to go on."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = max(0, size - most_bytes)
            file.seek(begin)
            data = file.read(size - begin)
    except OSError:
        return []
    whole, newline, rest = data.rpartition(b"\n")
    positions[path] = size - len(rest) if newline else begin
    if not newline:
        return []
    found = whole.decode(errors="replace").split("\n")
    return (found[1:] if begin and len(found) > 1 else found)[-lines:]
