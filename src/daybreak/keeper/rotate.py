"""Log rotation that needs nothing from the services: copy, then cut. They append, so the cut is safe for them."""

from __future__ import annotations

import shutil
from pathlib import Path

MOST_BYTES = 10 * 1024 * 1024
KEEP = 3
INTERVAL_S = 30.0


def rotate(folder: Path, *, most_bytes: int = MOST_BYTES, keep: int = KEEP) -> list[Path]:
    """Rotate every `*.log` over the limit: NAME.log.1 is the newest of `keep` old ones. Returns what was rotated."""
    rotated = []
    for path in folder.glob("*.log"):
        try:
            if path.stat().st_size <= most_bytes:
                continue
            for number in range(keep - 1, 0, -1):
                older = _numbered(path, number)
                if older.exists():
                    older.replace(_numbered(path, number + 1))
            shutil.copyfile(path, _numbered(path, 1))
            _numbered(path, 1).chmod(0o600)
            with open(path, "r+b") as file:
                file.truncate(0)
            rotated.append(path)
        except OSError:
            continue  # a full disk: the next round tries again
    return rotated


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
