"""logs: every service's own output and Ray's files behind it, from one place."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from daybreak import api
from daybreak.errors import UsageError
from daybreak.paths import ClusterPaths
from daybreak.spec import parse_seconds

FOLLOW_NAP_S = 0.1
STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})")
RAY_LOGS = {
    "head": ("gcs_server.out", "gcs_server.err", "raylet.out", "raylet.err", "dashboard.log", "dashboard.err"),
    "worker": ("raylet.out", "raylet.err"),
    "serve": ("serve/*.log",),
}


def logs(name: str | None, services: tuple[str, ...], follow: bool, since: str | None, lines: int) -> None:
    """Print the last lines of each log with the service's name in front, then go on where asked."""
    paths = ClusterPaths.of(api.resolve_name(name))
    try:
        oldest = time.time() - parse_seconds(since) if since else None
    except ValueError as error:
        raise UsageError(f"--since: {error}") from error
    chosen = _choose(paths, services)
    width = max((len(label) for label, _ in _files(paths, chosen)), default=0)
    positions: dict[Path, int] = {}
    for label, path in _files(paths, chosen):
        for text in _last(path, lines, oldest, positions):
            print(f"{label:<{width}} | {text}")
    while follow:
        sys.stdout.flush()
        time.sleep(FOLLOW_NAP_S)
        for label, path in _files(paths, chosen):
            for text in _new(path, positions):
                print(f"{label:<{width}} | {text}")


def _choose(paths: ClusterPaths, services: Sequence[str]) -> list[str]:
    """The services asked for, or all that have a log; unknown names are an error."""
    known = sorted(path.stem for path in paths.logs.glob("*.log"))
    unknown = [service for service in services if service not in known]
    if unknown:
        raise UsageError(
            f"no log of {', '.join(unknown)} in cluster {paths.name}",
            hint=f"there are logs of: {', '.join(known) or 'nothing yet'}",
        )
    return list(services) or [service for service in known if service != "keeper"]


def _files(paths: ClusterPaths, services: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Label and path of every log of the services; looked up anew each time, since a restart makes new ones."""
    for service in services:
        yield service, paths.logs / f"{service}.log"
        node = "head" if service == "serve" else service
        folder = paths.ray_temp(node) / "session_latest" / "logs"
        for pattern in RAY_LOGS.get("worker" if service.startswith("worker-") else service, ()):
            for path in sorted(folder.glob(pattern)):
                if path.stat().st_size:
                    yield f"{service}/{path.name}", path


def _last(path: Path, lines: int, oldest: float | None, positions: dict[Path, int]) -> list[str]:
    """The last lines not older than `oldest` (seconds since 1970); one without a time is as old as the one before."""
    kept: deque[str] = deque(maxlen=lines)
    try:
        with open(path, "rb") as file:
            young = oldest is None or path.stat().st_mtime >= oldest
            for raw in file:
                text = raw.decode(errors="replace").rstrip("\n")
                at = _time_of(text)
                if oldest is not None and at is not None:
                    young = at >= oldest
                if young:
                    kept.append(text)
            positions[path] = file.tell()
    except OSError:
        return []
    return list(kept)


def _time_of(text: str) -> float | None:
    found = STAMP.search(text[:60])
    if not found:
        return None
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}").timestamp()
    except ValueError:
        return None


def _new(path: Path, positions: dict[Path, int]) -> list[str]:
    """Complete lines written since the last look; a file that has shrunk was rotated and is read from its start."""
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
            data = file.read(size - at)
    except OSError:
        return []
    whole, newline, _ = data.rpartition(b"\n")
    if not newline:
        return []
    positions[path] = at + len(whole) + 1
    return whole.decode(errors="replace").split("\n")
