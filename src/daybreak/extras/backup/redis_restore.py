"""Bringing a snapshot back into a Redis server: it is put into the data folder and checked by the server's own checker
while the server goes on; the next start reads it (see `services/databases/redis_start.py`)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from daybreak.errors import DaybreakError, PreflightError
from daybreak.extras.backup.archive import CHUNK_BYTES, Archive
from daybreak.extras.backup.manifest import Kind, Part
from daybreak.extras.backup.programs import Place, ProgramFailed
from daybreak.extras.backup.telling import Deadline, Tell, Told
from daybreak.files import replacing
from daybreak.names import REDIS
from daybreak.services.databases.redis_start import BEFORE, SNAPSHOT

# It prints what is wrong.
TO_ERRORS = 'exec "$0" "$1" >&2'
# What is not whole, or not checked yet, has another name.
NEW = f"{SNAPSHOT}.new"
CHECKER = """
for name in redis-check-rdb valkey-check-rdb; do
  program=$(command -v $name) && exec "$program" "$1" >&2
done
echo "the image has no redis-check-rdb" >&2
exit 1
"""
TIDY_UP_S = 60.0


class Folder(Protocol):
    """The server's data folder."""

    @property
    def where(self) -> str:
        """Where it is, for people."""

    def put(self, source: IO[bytes], tell: Callable[[int], None], deadline: Deadline) -> None:
        """Write the snapshot under its first name, on disk. Raises DaybreakError."""

    def check(self, deadline: Deadline) -> None:
        """Have the server's own checker read it. Raises ProgramFailed."""

    def offer(self, deadline: Deadline) -> None:
        """Give it the name by which the next start takes it."""

    def offered(self, deadline: Deadline) -> bool:
        """Whether no start has taken it."""

    def clear(self, *names: str) -> None:
        """Remove these files and folders, where they are."""


@dataclass
class OwnFolder:
    """Of a server that is a process; `program` is the server, which checks snapshots when it is called `checker`."""

    path: Path
    program: str
    checker: str

    @property
    def where(self) -> str:
        return str(self.path)

    def put(self, source: IO[bytes], tell: Callable[[int], None], deadline: Deadline) -> None:
        size = 0
        try:
            with replacing(self.path / NEW, durable=True) as file:
                while chunk := source.read(CHUNK_BYTES):
                    if deadline.passed:
                        raise deadline.too_late("the restore of Redis")
                    file.write(chunk)
                    size += len(chunk)
                    tell(size)
        except OSError as error:
            raise PreflightError([f"the snapshot cannot be written to {self.path}: {error.strerror}"]) from error

    def check(self, deadline: Deadline) -> None:
        with tempfile.TemporaryDirectory() as folder:
            called = Path(folder) / self.checker
            called.symlink_to(self.program)
            Place().output(["/bin/sh", "-c", TO_ERRORS, str(called), str(self.path / NEW)], deadline)

    def offer(self, deadline: Deadline) -> None:
        del deadline
        os.replace(self.path / NEW, self.path / SNAPSHOT)

    def offered(self, deadline: Deadline) -> bool:
        del deadline
        return (self.path / SNAPSHOT).exists()

    def clear(self, *names: str) -> None:
        for name in names:
            place = self.path / name
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)


@dataclass
class ContainersFolder:
    """Of a server in a container; `path` is inside."""

    path: str
    place: Place

    @property
    def where(self) -> str:
        return f"{self.path} of its volume"

    def put(self, source: IO[bytes], tell: Callable[[int], None], deadline: Deadline) -> None:
        self.place.pour_in(self._shell('umask 077; cat >"$1" && sync', NEW), source, deadline, tell)

    def check(self, deadline: Deadline) -> None:
        self.place.output(self._shell(CHECKER, NEW), deadline)

    def offer(self, deadline: Deadline) -> None:
        self.place.output(self._shell('mv "$1" "$2"', NEW, SNAPSHOT), deadline)

    def offered(self, deadline: Deadline) -> bool:
        return bool(self.place.output(self._shell('[ ! -e "$1" ] || echo there', SNAPSHOT), deadline)[0].strip())

    def clear(self, *names: str) -> None:
        self.place.output(self._shell('rm -rf "$@"', *names), Deadline(TIDY_UP_S))

    def _shell(self, script: str, *names: str) -> list[str]:
        return ["/bin/sh", "-c", script, "sh", *(f"{self.path}/{name}" for name in names)]


@dataclass
class RedisRestore:
    """One restore: `stage`, then `commit`, then `finish`; `abandon` instead of the last two.

    `restart` starts the server anew; `folder` finds its data folder, which is in another container then.
    """

    folder: Callable[[], Folder]
    archive: Archive
    deadline: Deadline
    tell: Tell
    restart: Callable[[], None]
    _offered: bool = field(default=False, init=False)

    @property
    def _snapshots(self) -> list[Part]:
        return self.archive.manifest.of(REDIS, Kind.SNAPSHOT)

    def effects(self) -> list[str]:
        """What will be replaced, in words."""
        return ["redis: all keys are replaced, the server is started anew"] if self._snapshots else []

    def stage(self) -> None:
        """Put the snapshot beside what is stored. Raises DaybreakError where it is none that this server can read."""
        folder = self.folder()
        folder.clear(NEW, SNAPSHOT, BEFORE)
        for part in self._snapshots:
            with self.archive.open(part) as source:
                folder.put(source, lambda size: self.tell(Told(REDIS, size)), self.deadline)
            try:
                folder.check(self.deadline)
            except ProgramFailed as error:
                raise ProgramFailed(
                    f"this Redis server cannot read the snapshot: {_why(error)}", error.lines
                ) from error
            self.tell(Told(REDIS, part.size_bytes, over=True))

    def commit(self) -> None:
        """Start the server with it. Raises DaybreakError; what was stored before is then in the folder `BEFORE`."""
        if not self._snapshots:
            return
        folder = self.folder()
        folder.offer(self.deadline)
        self._offered = True
        try:
            self.restart()
        except DaybreakError as error:
            error.aftermath = f"what Redis held before is in {folder.where}/{BEFORE}, if it is not as it was"
            raise
        if self.folder().offered(self.deadline):
            raise DaybreakError(
                "Redis was started without reading the snapshot: it was started by an older daybreak",
                hint="`daybreak down`, `daybreak up`, then repeat",
            )

    def finish(self) -> None:
        """Delete what was stored before."""
        self.folder().clear(BEFORE)

    def abandon(self) -> bool:
        """Leave nothing of the snapshot where no start has taken it; whether one has."""
        tidying = Deadline(TIDY_UP_S)
        try:
            folder = self.folder()
            taken = self._offered and not folder.offered(tidying)
            folder.clear(NEW, SNAPSHOT)
        except (DaybreakError, OSError):
            return self._offered
        return taken


def _why(error: ProgramFailed) -> str:
    """What the checker has found: the line below its headline."""
    lines = iter(error.lines)
    return next((next(lines, "") for line in lines if "ERROR DETECTED" in line), "") or error.message
