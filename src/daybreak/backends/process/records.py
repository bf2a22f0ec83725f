"""The files by which a later keeper finds running services again: one JSON file per instance, replaced as a whole."""

from __future__ import annotations

import json
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.files import write_private


class Records:
    """The records in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # What has become of instances whose records could not be written.
        self._unwritten: dict[Path, Handle] = {}

    def save(self, handle: Handle) -> None:
        """Not for longer than the machine is up: nothing of what is recorded lives on after a power failure."""
        write_private(self._path(handle), json.dumps(handle.to_json(), indent=1))

    def update(self, handle: Handle) -> None:
        """The same for an instance that has a record already. On a full disk it is known here alone, and a keeper that
        comes later finds the record of before."""
        path = self._path(handle)
        try:
            self.save(handle)
            self._unwritten.pop(path, None)
        except OSError:
            self._unwritten[path] = handle

    def has(self, handle: Handle) -> bool:
        return self._path(handle).exists()

    def forget(self, handle: Handle) -> None:
        self._unwritten.pop(self._path(handle), None)
        self._path(handle).unlink(missing_ok=True)

    def load(self) -> list[Handle]:
        """Every readable record; one that cannot be read is set aside, its processes are found by their marker."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(self._unwritten.get(path) or Handle.from_json(json.loads(path.read_text())))
            except FileNotFoundError:
                continue  # it has just been stopped
            except (ValueError, KeyError, TypeError):
                path.rename(path.with_suffix(".unreadable"))
        return found

    def _path(self, handle: Handle) -> Path:
        return self._folder / f"{handle.service}.{handle.instance}.json"
