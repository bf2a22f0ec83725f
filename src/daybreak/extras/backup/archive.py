"""The archive of a backup: a zip file, so that other tools can look into it, with the manifest as its last file.

What goes in is streamed, and its size and checksum are known when it has gone in. What is cut off has no table of
contents, and is no archive.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

from daybreak.errors import UsageError
from daybreak.extras.backup.manifest import FORMAT, Kind, Manifest, Part
from daybreak.extras.backup.telling import Tell, Told
from daybreak.files import open_regular

MANIFEST = "manifest.json"
# No manifest is nearly as long.
MOST_MANIFEST_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
ENDINGS = {Kind.ROLES: "sql", Kind.SETUP: "sql", Kind.DUMP: "dump", Kind.SNAPSHOT: "rdb"}
Sink = Callable[[bytes], None]
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError)


class Damaged(UsageError):
    """An archive that is no whole backup; `problems` holds every one found."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            f"{path} is no whole backup: {problems[0]}{more}; nothing was changed", hint="use another copy of it"
        )
        self.problems = tuple(problems)

    def details(self) -> list[str]:
        return list(self.problems)


class Writer:
    """Writes an archive, part by part."""

    def __init__(self, file: BinaryIO, tell: Tell) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self._tell = tell
        self.parts: list[Part] = []

    @contextlib.contextmanager
    def part(self, service: str, kind: Kind, name: str = "", facts: Mapping[str, Any] | None = None) -> Iterator[Sink]:
        """What the block gives to the sink becomes a part, where the block ends without an error."""
        file = self._unused(service, kind, name)
        digest, size, shown = hashlib.sha256(), 0, f"{service} {name}".strip()
        # What is in there is compressed by those who made it.
        with self._zip.open(_entry(file), "w", force_zip64=True) as member:

            def sink(chunk: bytes) -> None:
                nonlocal size
                member.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                self._tell(Told(shown, size))

            yield sink
        self.parts.append(Part(service, kind, file, size, digest.hexdigest(), name, dict(facts or {})))
        if kind in (Kind.DUMP, Kind.SNAPSHOT):
            self._tell(Told(shown, size, over=True))

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and the table of contents."""
        self._zip.writestr(_entry(MANIFEST), json.dumps(manifest.to_json(), indent=1))
        self._zip.close()

    def give_up(self) -> None:
        """Let go of a file that will be deleted."""
        with contextlib.suppress(OSError, ValueError):
            self._zip.close()

    def _unused(self, service: str, kind: Kind, name: str) -> str:
        """A name in the archive: the database's, where that is a plain one."""
        number = len(self.parts) + 1
        word = (name or kind) if PLAIN_NAME.fullmatch(name or kind) else f"part-{number}"
        file = f"{service}/{word}.{ENDINGS[kind]}"
        return f"{service}/part-{number}.{ENDINGS[kind]}" if any(part.file == file for part in self.parts) else file


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, time.localtime()[:6])
    entry.external_attr = 0o600 << 16
    return entry


class Archive:
    """A backup that is read. What is read from it is the file that was opened, whatever becomes of its name."""

    def __init__(self, path: Path, opened: zipfile.ZipFile, manifest: Manifest) -> None:
        self.path = path
        self._zip = opened
        self.manifest = manifest

    def open(self, part: Part) -> IO[bytes]:
        """The part's content."""
        return self._zip.open(part.file)

    def text(self, part: Part) -> str:
        """The content of a part that is SQL."""
        with self.open(part) as member:
            return member.read().decode()

    def check(self, tell: Tell, parts: Sequence[Part] | None = None) -> None:
        """Read all of it. Raises UsageError with every part that is not as the manifest says."""
        problems = []
        for part in self.manifest.parts if parts is None else parts:
            why = self._wrong(part, tell)
            if why:
                problems.append(f"{part.file}: {why}")
        if problems:
            raise Damaged(self.path, problems)

    def _wrong(self, part: Part, tell: Tell) -> str:
        """What is wrong with a part; empty where it is whole."""
        digest, size = hashlib.sha256(), 0
        try:
            with self.open(part) as member:
                while size <= part.size_bytes and (chunk := member.read(CHUNK_BYTES)):
                    digest.update(chunk)
                    size += len(chunk)
                    tell(Told(f"checking {part.file}", size))
        except KeyError:
            return "is missing"
        except UNREADABLE as error:
            return f"cannot be read: {error}"
        if size != part.size_bytes:
            return f"it has {'more' if size > part.size_bytes else 'less'} than its {part.size_bytes} bytes"
        return "" if digest.hexdigest() == part.sha256 else "its SHA-256 checksum is another one"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """A backup's archive. Raises UsageError where there is none, or none that this daybreak reads."""
    try:
        file = open(open_regular(path, links=True), "rb")
    except OSError as error:
        raise UsageError(f"the backup {path} cannot be read: {error.strerror or error}") from error
    with file:
        try:
            found = zipfile.ZipFile(file)
            manifest = _manifest(path, found)
        except UNREADABLE as error:
            raise Damaged(path, [f"it is no archive, or was cut off: {error}"]) from error
        yield Archive(path, found, manifest)


def _manifest(path: Path, found: zipfile.ZipFile) -> Manifest:
    try:
        entry = found.getinfo(MANIFEST)
        if entry.file_size > MOST_MANIFEST_BYTES:
            raise ValueError("it is too long")
        raw = json.loads(found.read(entry))
        number = int(raw["format"])
        if number > FORMAT:
            raise UsageError(
                f"the backup {path} was made by daybreak {raw.get('daybreak')}, which is newer: this one reads the "
                f"format {FORMAT}, not {number}",
                hint="use that daybreak, or a newer one",
            )
        return Manifest.from_json(raw)
    except RecursionError:
        raise Damaged(path, ["its manifest cannot be read"]) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(path, [f"its manifest cannot be read: {error}"]) from error
