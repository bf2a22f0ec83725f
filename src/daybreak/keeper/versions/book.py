"""The versions of one cluster, in its state folder: a file for each, and what is in their files, each content once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path

from daybreak.errors import DaybreakError
from daybreak.files import replacing, write_private
from daybreak.keeper.versions import folder
from daybreak.keeper.versions.version import Files, KeptFile, Version

MIB = 2**20


class Book:
    """Below `place`, which only its owner can enter. Everything here blocks: for a thread."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._contents = place / "contents"

    def all(self) -> list[Version]:
        """Oldest first; what cannot be read counts as gone."""
        found = [self._read(path) for path in self._place.glob("*.json")]
        return sorted((version for version in found if version), key=lambda version: version.number)

    def get(self, number: int) -> Version | None:
        return self._read(self._place / f"{number}.json")

    def take(self, place: Path, config: str | None, most_bytes: int) -> Files:
        """Keep what is in an application's files now; what no version has is deleted by `prune`.

        Raises OSError, and DaybreakError where there are too many, or they take more than that.
        """
        paths = folder.kept(place, config)
        if paths is None:
            raise DaybreakError(f"no version is kept: {place} has more than {folder.MOST_FILES:,} files of Python")
        if (size := sum(map(_bytes, (place / path for path in paths)))) > most_bytes:
            raise DaybreakError(
                f"no version is kept: the files that Python imports take {size / MIB:,.0f} MiB, "
                f"versions.max_size is {most_bytes / MIB:,.0f} MiB"
            )
        files: dict[str, KeptFile] = {}
        for made in (self._place, self._contents):
            made.mkdir(mode=0o700, exist_ok=True)
        for path in paths:
            if found := folder.read(place, path):
                files[path], content = found
                self._keep(files[path].digest, content)
        return files

    def content(self, digest: str) -> bytes:
        """Raises DaybreakError where it is not what was kept."""
        try:
            content = (self._contents / digest).read_bytes()
        except OSError as error:
            raise DaybreakError(
                f"a file of this version is gone: {error.strerror}: {self._contents / digest}"
            ) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise DaybreakError(f"a file of this version is damaged: {self._contents / digest}")
        return content

    def add(self, version: Version) -> None:
        """Raises OSError."""
        write_private(self._place / f"{version.number}.json", json.dumps(version.to_json()), durable=True)

    def prune(self, keep: int, most_bytes: int, but: Collection[int | None] = ()) -> None:
        """Delete the oldest versions beyond `keep`, or while their contents take more than `most_bytes` together; those
        in `but` stay. Then delete what none of them has."""
        versions = self.all()
        for version in list(versions):
            over = len(versions) > keep or _size(versions) > most_bytes
            if over and version.number not in but:
                versions.remove(version)
                (self._place / f"{version.number}.json").unlink(missing_ok=True)
        needed = {file.digest for version in versions for file in version.files.values()}
        for path in self._contents.glob("*"):
            if path.name not in needed:
                path.unlink(missing_ok=True)

    def _keep(self, digest: str, content: bytes) -> None:
        path = self._contents / digest
        if not path.exists():
            with replacing(path) as file:
                file.write(content)

    def _read(self, path: Path) -> Version | None:
        try:
            return Version.from_json(json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _size(versions: Collection[Version]) -> int:
    """What is the same in several counts once."""
    return sum({file.digest: file.size_bytes for version in versions for file in version.files.values()}.values())
