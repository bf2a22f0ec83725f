"""Ray's session folders: Ray never deletes them, so the keeper does, once nobody uses one.

Their names begin with a local time, and files have the time of a clock that may be set back: neither says which one is
in use. That the node's `session_latest` names it says so, and that a process has it in its command line, as raylet and
GCS do, works in it or has a file of it open.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from daybreak.backends.process import procfs

PATTERN = "session_2*"
LATEST = "session_latest"
EARLIER = 1


class Sessions:
    """The session folders of every node of one cluster."""

    def __init__(
        self, runtime: Path, *, used: Callable[[Collection[str]], set[str]] = procfs.mentioned, earlier: int = EARLIER
    ) -> None:
        """`used` says which of some folders' names any process uses; `earlier` unused ones of each node are kept."""
        self._runtime = runtime
        self._used = used
        self._earlier = earlier
        self._idle: set[Path] = set()

    def prune(self) -> list[Path]:
        """Delete what was found unused at the last call, and is so still; returns what was deleted.

        Between the two calls a node that has just made its folder has become known by its processes.
        """
        idle = {folder for node in self._nodes() for folder in self._spare(node)}
        idle -= self._in_use(idle)
        deleted = sorted(idle & self._idle)
        for folder in deleted:
            shutil.rmtree(folder, ignore_errors=True)
        self._idle = idle - set(deleted)
        return deleted

    def _nodes(self) -> list[Path]:
        try:
            return [node for node in self._runtime.iterdir() if node.is_dir() and not node.is_symlink()]
        except OSError:
            return []

    def _spare(self, node: Path) -> Iterator[Path]:
        """All but the latest and the newest of the others, which tell why a node died."""
        latest = _target(node / LATEST)
        others = [
            path for path in node.glob(PATTERN) if path.is_dir() and not path.is_symlink() and path.name != latest
        ]
        # Without a latest one the newest may be what Ray has just made.
        keep = self._earlier if latest else self._earlier + 1
        yield from sorted(others, key=_changed, reverse=True)[keep:]

    def _in_use(self, folders: Collection[Path]) -> set[Path]:
        if not folders:
            return set()
        names = self._used({folder.name for folder in folders})
        return {folder for folder in folders if folder.name in names}


def _target(link: Path) -> str:
    """The name of what it points to; the path before it may be one inside a container."""
    try:
        return os.path.basename(os.readlink(link))
    except OSError:
        return ""


def _changed(session: Path) -> float:
    """When something was last made in the folder, or in its logs (seconds)."""
    times = []
    for path in (session, session / "logs"):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)
