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


def prune_sessions(runtime: Path, *, keep: int = 2) -> list[Path]:
    """Delete all but the newest `keep` of Ray's session folders of every node; returns what was deleted.

    Ray never deletes them; the one before the newest stays to tell why a node died.
    """
    deleted = []
    for node in runtime.iterdir() if runtime.is_dir() else ():
        sessions = sorted(path for path in node.glob("session_2*") if path.is_dir() and not path.is_symlink())
        for session in sessions[:-keep]:
            shutil.rmtree(session, ignore_errors=True)
            deleted.append(session)
    return deleted
