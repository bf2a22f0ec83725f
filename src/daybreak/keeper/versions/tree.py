"""A version's folder as it is deployed again.

It holds the version's own files. All else of the application's folder, such as data and templates, is linked to as it
is now: a version is code, and going back takes no data back. Programs and containers read it, so only the folder that
it lies in is closed to others.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from daybreak.keeper.versions.book import Book
from daybreak.keeper.versions.folder import IMPORTED
from daybreak.keeper.versions.version import Version
from daybreak.keeper.wanted.code_link import OPEN, led_to, make_open
from daybreak.paths import ClusterPaths
from daybreak.programs.deploy.code_folder import NOTHING
from daybreak.services.slots import Slot


def check_out(version: Version, book: Book, paths: ClusterPaths, base: Path, seen_as: str) -> None:
    """Make the version's folder; `base` is the application's, which its readers know as `seen_as`.

    Those of other versions go, but the ones in use. Raises OSError, and DaybreakError for a version that is damaged.
    """
    place = paths.code / str(version.number)
    make_open(paths.code)
    links = [paths.code / slot for slot in Slot]
    in_use = {*(link.name for link in links), *map(led_to, links), NOTHING}
    for other in paths.code.iterdir():
        if other.name not in in_use:
            shutil.rmtree(other, ignore_errors=True)
    if place.exists():
        return
    making = paths.code / f"{version.number}.new"
    making.mkdir()
    for path, file in version.files.items():
        made = making / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(book.content(file.digest))
        made.chmod(0o644)
    for folder, _, _ in os.walk(making):
        os.chmod(folder, OPEN)
    _link_the_rest(making, base, seen_as)
    making.rename(place)


def _link_the_rest(made: Path, base: Path, seen_as: str) -> None:
    for place, _, _ in os.walk(made):
        inside = os.path.relpath(place, made)
        source = base / inside
        if not source.is_dir():
            continue
        for entry in os.scandir(source):
            here = Path(place) / entry.name
            if entry.name == "__pycache__" or entry.name.endswith(IMPORTED) or os.path.lexists(here):
                continue
            here.symlink_to(os.path.normpath(os.path.join(seen_as, inside, entry.name)))
