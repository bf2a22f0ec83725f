"""logs: every service's own output and Ray's files behind it, from one place."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from daybreak import api, logfiles
from daybreak.errors import UsageError
from daybreak.paths import ClusterPaths
from daybreak.spec import parse_seconds

FOLLOW_NAP_S = 0.1
STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})")


def logs(name: str | None, services: tuple[str, ...], follow: bool, since: str | None, lines: int) -> None:
    """Print the last lines of each log with the service's name in front, then go on where asked."""
    paths = ClusterPaths.of(api.resolve_name(name))
    try:
        oldest = time.time() - parse_seconds(since) if since else None
    except ValueError as error:
        raise UsageError(f"--since: {error}") from error
    chosen = _choose(paths, services)
    width = max((len(label) for label, _ in logfiles.files(paths, chosen)), default=0)
    positions: dict[Path, int] = {}
    for label, path in logfiles.files(paths, chosen):
        for text in _last(path, lines, oldest, positions):
            print(f"{label:<{width}} | {text}")
    while follow:
        sys.stdout.flush()
        time.sleep(FOLLOW_NAP_S)
        for label, path in logfiles.files(paths, chosen):
            for text in logfiles.new_lines(path, positions):
                print(f"{label:<{width}} | {text}")


def _choose(paths: ClusterPaths, services: Sequence[str]) -> list[str]:
    """The services asked for, or all that have a log; unknown names are an error."""
    known = logfiles.known(paths)
    unknown = [service for service in services if service not in known]
    if unknown:
        raise UsageError(
            f"no log of {', '.join(unknown)} in cluster {paths.name}",
            hint=f"there are logs of: {', '.join(known) or 'nothing yet'}",
        )
    return list(services) or [service for service in known if service != logfiles.KEEPER]


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
