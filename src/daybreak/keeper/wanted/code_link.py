"""The link by which replicas find the code of the version that is deployed: one for each slot."""

from __future__ import annotations

import os
from pathlib import Path

from daybreak.paths import ClusterPaths
from daybreak.programs.deploy.code_folder import NOTHING
from daybreak.services.slots import Slot

# Containers' programs have another account, in a folder of this one alone.
OPEN = 0o755


def lead(paths: ClusterPaths, slot: Slot, version: int | None) -> None:
    """From now on replicas that start in this slot find that version's code; with None the folder's. Raises OSError."""
    name, link = NOTHING if version is None else str(version), paths.code / slot
    make_open(paths.code)
    make_open(paths.code / NOTHING)
    if led_to(link) != name:
        new = link.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.symlink_to(name)
        new.replace(link)


def make_open(folder: Path) -> None:
    """A folder that programs and containers read."""
    folder.mkdir(exist_ok=True)
    folder.chmod(OPEN)


def led_to(link: Path) -> str:
    """The name of what a link leads to; nothing without one."""
    try:
        return os.readlink(link)
    except OSError:
        return ""
