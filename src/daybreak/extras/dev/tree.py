"""The files that may make an application, as they are at one moment; two moments tell what has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from daybreak.extras.dev.ignoring import Ignoring

CODE = (".py", ".so")
# More belong to no application, and looking at them all would take longer than a save.
MOST_FOLDERS = 2000
LEFT_OUT = ("site-packages", "__pycache__", "node_modules")

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Moment:
    """What was there: each file with what tells that it was written (time in ns, size in bytes, inode), each folder.
    `elsewhere` are the files outside that counted."""

    files: Mapping[Path, Stamp]
    folders: frozenset[Path]
    elsewhere: frozenset[Path] = frozenset()

    def changed_to(self, later: Moment) -> list[Path]:
        """What was written, made or removed since, sorted. What only counts since then has not changed."""
        both = (self.files.keys() | later.files.keys()) - (self.elsewhere ^ later.elsewhere)
        return sorted(path for path in both if self.files.get(path) != later.files.get(path))


@dataclass(frozen=True)
class Tree:
    """One application's folder. `named` are files that count whatever their name is, such as the spec; `elsewhere`
    tells which do outside of the folder at this moment."""

    folder: Path
    named: frozenset[Path]
    ignoring: Ignoring
    elsewhere: Callable[[], frozenset[Path]] = frozenset

    def now(self) -> Moment:
        """Looks at everything once: some milliseconds for some hundred files."""
        files: dict[Path, Stamp] = {}
        elsewhere = frozenset(path for path in self.elsewhere() if not path.is_relative_to(self.folder))
        named = self.named | elsewhere
        folders = {path.parent for path in named if path.parent.is_dir()}
        for place, inside in self._walk():
            folders.add(place)
            files.update((path, stamp) for path in inside if (stamp := _stamp(path)))
        files.update((path, stamp) for path in named if (stamp := _stamp(path)))
        return Moment(files, frozenset(folders), elsewhere)

    def _walk(self) -> Iterator[tuple[Path, list[Path]]]:
        """Each folder with the code in it."""
        for (place, folders, files), _ in zip(os.walk(self.folder), range(MOST_FOLDERS), strict=False):
            here = Path(place)
            folders[:] = [name for name in folders if self._may_hold_code(here / name)]
            code = (here / name for name in files if name.endswith(CODE))
            yield here, [path for path in code if not self.ignoring.takes(path)]

    def _may_hold_code(self, folder: Path) -> bool:
        if folder.name.startswith(".") or folder.name in LEFT_OUT or (folder / "pyvenv.cfg").exists():
            return False
        return not self.ignoring.takes(folder, folder=True)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
