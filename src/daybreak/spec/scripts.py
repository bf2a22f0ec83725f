"""Scripts that run when a database's data is made: which files they are."""

from __future__ import annotations

from pathlib import Path

ENDINGS = (".sql", ".sql.gz", ".sh")


def scripts(place: Path) -> list[Path]:
    """A folder's scripts by their names, or the one script that the path is."""
    if place.is_dir():
        return sorted(path for path in place.iterdir() if path.name.endswith(ENDINGS) and path.is_file())
    return [place]
