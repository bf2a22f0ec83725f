"""Which files of an application's folder make a version: those that Python imports, and the Serve config."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from daybreak.files import open_regular
from daybreak.keeper.versions.version import Files, KeptFile

IMPORTED = (".py", ".so")
# A folder with more is no application's: nothing of it may delay a start.
MOST_FILES, MOST_FOLDERS = 5000, 2000


def is_left_out(name: str) -> bool:
    """A folder with nothing of the application's own."""
    return name.startswith(".") or name in ("site-packages", "__pycache__", "node_modules")


def kept(folder: Path, config: str | None) -> list[str] | None:
    """The paths of the files, relative to the folder; None where there are too many. `config` is the Serve config."""
    found = set()
    for path in _imported(folder):
        found.add(path)
        if len(found) > MOST_FILES:
            return None
    if config is not None and not os.path.isabs(config) and not os.path.normpath(config).startswith(os.pardir):
        found.add(os.path.normpath(config))
    return sorted(found)


def read(folder: Path, path: str) -> tuple[KeptFile, bytes] | None:
    """What is in a file; None where it is gone, or is none."""
    try:
        with open(open_regular(folder / path, links=True), "rb") as file:
            content = file.read()
    except OSError:
        return None
    return KeptFile(hashlib.sha256(content).hexdigest(), len(content)), content


def files_of(folder: Path, config: str | None) -> Files | None:
    """All of them as they are now; None where there are too many."""
    paths = kept(folder, config)
    if paths is None:
        return None
    found = {path: read(folder, path) for path in paths}
    return {path: one[0] for path, one in found.items() if one}


def _imported(folder: Path) -> Iterator[str]:
    for count, (place, folders, names) in enumerate(os.walk(folder)):
        if count >= MOST_FOLDERS:
            return
        if "pyvenv.cfg" in names:
            folders[:] = []
            continue
        folders[:] = sorted(name for name in folders if not is_left_out(name))
        yield from (os.path.relpath(os.path.join(place, name), folder) for name in names if name.endswith(IMPORTED))
