"""The last lines of log files, for error messages."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

MOST_BYTES = 64 * 1024
MOST_LINE = 500


def tail(path: Path, lines: int = 20) -> list[str]:
    """The last lines of a file, each cut to 500 characters; empty where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - MOST_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line[:MOST_LINE] for line in text.splitlines() if line.strip()][-lines:]


def tail_of_all(own: Path, patterns: Sequence[str], lines: int = 20) -> list[str]:
    """The service's own log's last lines, then the newest of its further logs that hold errors."""
    found = tail(own, lines)
    for pattern in patterns:
        for name in sorted(glob.glob(pattern)):
            errors = [line for line in tail(Path(name), 40) if _alarming(line)][-3:]
            found += [f"[{Path(name).name}] {line}" for line in errors]
    return found[-2 * lines :]


def _alarming(line: str) -> bool:
    return any(mark in line for mark in ("Error", "ERROR", "Traceback", "FATAL", " E ", " C "))
