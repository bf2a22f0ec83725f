"""The application's code on its way to other machines: those files that a version has, as a tar stream of known length.

Replicas on every machine then import what was deployed, not what the folder has become meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from daybreak.errors import DaybreakError
from daybreak.files import replacing
from daybreak.keeper.versions.book import Book
from daybreak.keeper.versions.folder import files_of, read
from daybreak.keeper.versions.version import Files
from daybreak.keeper.wanted.desired import Desired
from daybreak.paths import ClusterPaths

MOST_BYTES = 1024 * 1024 * 1024
# With what the archive itself takes for each file.
MOST_TAR_BYTES = MOST_BYTES + 64 * 1024 * 1024
LIST, MODE = ".daybreak-files", 0o644


@dataclass(frozen=True)
class Code:
    """Files by their path, and what is in them."""

    files: Files
    content: Callable[[str, str], bytes]

    @property
    def digest(self) -> str:
        told = sorted((path, file.digest) for path, file in self.files.items())
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def deployed(desired: Desired, paths: ClusterPaths) -> Code:
    """What was last deployed; without versions what the folder has now. Blocks: for a thread."""
    state, cluster = desired.state, desired.cluster
    book = Book(paths.versions)
    version = book.get(state.version) if state and state.version is not None else None
    if version is not None:
        return of_version(version.files, book)
    if state is None or cluster is None or not cluster.spec.serve.wanted:
        return Code({}, lambda _path, _digest: b"")
    base = Path(state.base)
    return Code(files_of(base, cluster.spec.serve.config) or {}, lambda path, _: _now(base, path))


def of_version(files: Files, book: Book) -> Code:
    """What a version's book keeps."""
    return Code(files, lambda _, digest: book.content(digest))


def _now(base: Path, path: str) -> bytes:
    found = read(base, path)
    if found is None:
        raise DaybreakError(f"{base / path} has gone while it was read")
    return found[1]


def temporary() -> BinaryIO:
    """A file that is gone when it is closed."""
    return tempfile.TemporaryFile()


def pack(code: Code) -> BinaryIO:
    """A temporary file at its beginning. Raises DaybreakError where it would be too large, or a file has gone."""
    if sum(file.size_bytes for file in code.files.values()) > MOST_BYTES:
        raise DaybreakError(f"the application's code takes more than {MOST_BYTES // 2**20} MiB")
    file = temporary()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path, kept in sorted(code.files.items()):
            content = code.content(path, kept.digest)
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), MODE
            archive.addfile(member, io.BytesIO(content))
    file.seek(0)
    return file


def unpack(file: BinaryIO, folder: Path) -> None:
    """Into the folder: each file is replaced as a whole, and what was unpacked before and is no more goes.

    Links, devices and paths that lead out of the folder are refused. Raises OSError and DaybreakError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []
    try:
        with tarfile.open(fileobj=file, mode="r") as archive:
            for member in archive:
                path = os.path.normpath(member.name)
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or os.path.isabs(path) or path.split(os.sep)[0] == os.pardir:
                    raise DaybreakError(f"{member.name!r} is no file of an application's folder")
                (folder / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with replacing(folder / path, MODE) as new:
                    while block := content.read(1024 * 1024):
                        new.write(block)
                made.append(path)
    except tarfile.TarError as error:
        raise DaybreakError(f"the code that was sent cannot be read: {error}") from error
    _delete_others(folder, made)


def _delete_others(folder: Path, made: list[str]) -> None:
    """Only what an earlier unpacking has made: what somebody else has put there stays."""
    listed = folder / LIST
    before = listed.read_text().splitlines() if listed.exists() else []
    for path in set(before) - set(made):
        (folder / path).unlink(missing_ok=True)
    with replacing(listed) as file:
        file.write("\n".join(made).encode())
