"""What is being ended, as a keeper that comes after a killed one finds it: an empty file for each instance.

The engine tells of a container that has been asked to end what it tells of one that runs, and its labels never change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from daybreak.files import write_private


class Ending:
    """The files in one folder. One that cannot be written holds up no stop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, instance: str) -> None:
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_private(self._folder / instance, "")

    def over(self, instance: str) -> None:
        """It has gone, or is there as before."""
        with contextlib.suppress(OSError):
            (self._folder / instance).unlink(missing_ok=True)

    def of(self, instances: Collection[str]) -> set[str]:
        """Those of these that are being ended; of others nothing is left."""
        with contextlib.suppress(OSError):
            # One that is just being written has another name, with a dot before it.
            marked = {path.name for path in self._folder.iterdir() if not path.name.startswith(".")}
            for gone in marked.difference(instances):
                self.over(gone)
            return marked.intersection(instances)
        return set()
