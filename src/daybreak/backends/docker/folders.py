"""Folders of this machine that a container writes into."""

from __future__ import annotations

import os
from pathlib import Path

from daybreak.services.service import Container, MountKind


def hand_over(container: Container, runtime: Path) -> None:
    """What lies in the cluster's runtime folder is the container's account's, where that is another one than ours.

    A cluster that ran as processes of root has left files that nobody else may write. Only what is ours is given away,
    and links are not followed. Only root has anything to give away: other users run containers under their own number.
    """
    if os.geteuid() != 0 or container.uid == 0:
        return
    for mount in container.mounts:
        inside = mount.kind is MountKind.BIND and Path(mount.source).is_relative_to(runtime)
        if inside and not mount.read_only and Path(mount.source) != runtime:
            _give(mount.source, container.uid)


def _give(folder: str, uid: int) -> None:
    """Everything below the folder; it keeps its own owner and mode itself."""
    for _, folders, files, at in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            try:
                if os.stat(name, dir_fd=at, follow_symlinks=False).st_uid == os.geteuid():
                    os.chown(name, uid, -1, dir_fd=at, follow_symlinks=False)
            except FileNotFoundError:
                continue  # it has just gone
