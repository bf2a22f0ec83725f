"""The files by which a later keeper finds running services again: one JSON file per instance, replaced as a whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

from daybreak.backends.base import Handle


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file of ours alone so that a reader sees the old or the new text, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        error.filename = error.filename or str(path)
        raise


class Records:
    """The records in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, handle: Handle) -> None:
        write_private(self._path(handle), json.dumps(handle.to_json(), indent=1))

    def forget(self, handle: Handle) -> None:
        self._path(handle).unlink(missing_ok=True)

    def load(self) -> list[Handle]:
        """Every readable record; one that cannot be read is set aside, its processes are found by their marker."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(Handle.from_json(json.loads(path.read_text())))
            except (OSError, ValueError, KeyError, TypeError):
                path.rename(path.with_suffix(".unreadable"))
        return found

    def _path(self, handle: Handle) -> Path:
        return self._folder / f"{handle.service}.{handle.instance}.json"
