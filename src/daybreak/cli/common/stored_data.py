"""What `down --volumes` is about to delete, as people recognise it: where it lies, how old it is, how much it is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from daybreak.keeper.control.owner import Owner
from daybreak.paths import ClusterPaths
from daybreak.show.text import ago, size


def about_to_delete(paths: ClusterPaths, now: float | None = None) -> list[str]:
    """Lines that name the cluster's folder, and each database's data in the state folder."""
    owner = Owner.load(paths)
    lines = [f"cluster {paths.name} of {owner.folder}"] if owner and owner.folder else []
    for folder in sorted(path for path in paths.data.glob("*") if path.is_dir()):
        files = list(_files(folder))
        if files:
            oldest = min(found.st_mtime for found in files)
            held = size(sum(found.st_size for found in files))
            lines.append(f"{folder.name}: {held} in {folder}, the oldest file {ago(oldest, now or time.time())}")
    return lines


def _files(folder: Path) -> Iterator[os.stat_result]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(place, name))
            except OSError:
                continue  # a database that runs deletes files
