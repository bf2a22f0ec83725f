"""A job's folder, packed as Ray unpacks it on each node that needs it.

Left out is what Ray's own client leaves out: what `.gitignore` and `.rayignore` name, in each folder for itself, and
folders that nobody means.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from daybreak.errors import UsageError
from daybreak.extras.dev.ignoring import GITIGNORE, Ignoring, patterns_of

IGNORE_FILES = (GITIGNORE, ".rayignore")
LEFT_OUT = frozenset({".git", ".venv", "venv", "__pycache__", ".daybreak", "node_modules"})
# The dashboard takes no more in one request.
MOST_BYTES = 100 * 1024**2
MIB = 1024**2
# So much is packed at all, to see whether it becomes small enough.
MOST_UNPACKED_BYTES = 5 * MOST_BYTES
LARGEST_SHOWN = 3

Sets = Sequence[tuple[Path, GitIgnoreSpec]]


@dataclass(frozen=True)
class Package:
    """The name tells the content, so that what the cluster has already is not sent again."""

    name: str
    content: bytes
    files: int

    @property
    def uri(self) -> str:
        return f"gcs://{self.name}"


def packed(folder: Path, without: Collection[Path] = ()) -> Package | None:
    """The folder's files but those in `without` (resolved); None where it has none. Raises UsageError where it is too
    large, or cannot be read."""
    folder = folder.resolve()
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; nothing was submitted")
    files = sorted(path for path in _files(folder, [], frozenset()) if path.resolve() not in without)
    _require_small(folder, files, sum(path.stat().st_size for path in files), MOST_UNPACKED_BYTES)
    digest = hashlib.sha256()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
        for path in files:
            _add(archive, digest, path, str(path.relative_to(folder)))
    _require_small(folder, files, buffer.tell(), MOST_BYTES)
    return Package(f"_ray_pkg_{digest.hexdigest()[:32]}.zip", buffer.getvalue(), len(files)) if files else None


def _add(archive: zipfile.ZipFile, digest: hashlib._Hash, path: Path, name: str) -> None:
    """One file, into the package and into what names it."""
    try:
        info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}; nothing was submitted",
            hint="leave it out with a line in .rayignore, which is read as .gitignore is",
        ) from error
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content)
    for word in (name.encode(), str(info.external_attr).encode(), content):
        digest.update(f"{len(word)}:".encode() + word)


def _files(folder: Path, above: Sets, within: frozenset[Path]) -> Iterator[Path]:
    """Every file to take. Links are followed, but into no folder that they are in."""
    here = folder.resolve()
    if here in within:
        return
    sets = [*above, *((folder, found) for name in IGNORE_FILES if (found := patterns_of(folder / name)))]
    ignoring = Ignoring(sets)
    for path in _entries(folder):
        if path.is_dir():
            if path.name not in LEFT_OUT and not ignoring.takes(path, folder=True):
                yield from _files(path, sets, within | {here})
        elif path.is_file() and not ignoring.takes(path):
            yield path


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be read: {error.strerror}; nothing was submitted",
            hint="leave it out with a line in .rayignore, which is read as .gitignore is",
        ) from error


def _require_small(folder: Path, files: Sequence[Path], size: int, most: int) -> None:
    if size <= most:
        return
    largest = sorted(files, key=lambda path: path.stat().st_size, reverse=True)[:LARGEST_SHOWN]
    shown = ", ".join(f"{path.relative_to(folder)} ({path.stat().st_size // MIB} MiB)" for path in largest)
    raise UsageError(
        f"{folder} has {size // MIB} MiB in {len(files)} files, and a job's folder may have {most // MIB} MiB; "
        f"the largest: {shown}; nothing was submitted",
        hint="leave data out with lines in .rayignore, which is read as .gitignore is, or name a smaller folder with "
        "--working-dir",
    )
