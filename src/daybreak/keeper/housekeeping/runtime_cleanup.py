"""What goes when a cluster has ended: of its runtime folder only the last logs are of use to anybody."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

LATEST = "session_latest"
LOGS = "logs"


def spare(runtime: Path) -> int:
    """A descriptor that keeps systemd-tmpfiles out of the folder as long as it is open: what a cluster that runs for
    weeks does not touch, such as the records of forks, looks unused to it."""
    opened = os.open(runtime, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return opened


def clean_runtime(runtime: Path, keep: frozenset[str]) -> None:
    """Delete what Ray and the template have left in `runtime`, but the newest logs of each node, and files in `keep`.

    Environments that Ray has made for `runtime_env`, spilled objects and sockets are all gone with the cluster. Links
    are never followed: nodes in containers write these folders.
    """
    for entry in _entries(runtime):
        if entry.name in keep:
            continue
        if entry.is_dir(follow_symlinks=False):
            _tidy_node(Path(entry.path))
        else:
            _unlink(entry.path)


def _tidy_node(node: Path) -> None:
    """Keep the logs of the session that `session_latest` names; without one there is nothing to keep."""
    try:
        latest = Path(os.readlink(node / LATEST)).name
    except OSError:
        shutil.rmtree(node, ignore_errors=True)
        return
    for entry in _entries(node):
        if entry.name == LATEST:
            continue
        if entry.name != latest or not entry.is_dir(follow_symlinks=False):
            _remove(entry)
            continue
        for inner in _entries(Path(entry.path)):
            if inner.name != LOGS:
                _remove(inner)


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        _unlink(entry.path)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it is not ours to delete, or has gone


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []
