"""The store's connection to its file: opened when needed, given up and opened again when something is wrong."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from daybreak.timeline import database


class Disk:
    """One connection to the file at `path`, that outlives a full disk and a broken, deleted or replaced file.

    `notes` says once each what went wrong, `opens` counts how often the file was opened. None of the methods but
    `connection` raises.
    """

    def __init__(self, path: Path, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self.notes: list[str] = []
        self.opens = 0
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    @property
    def is_open(self) -> bool:
        return self._db is not None

    def connection(self) -> sqlite3.Connection | None:
        """The open connection; None where there is nothing to read.

        Raises OSError and sqlite3.Error where the file cannot be opened, which `trouble` then judges.
        """
        if self._db is not None and self._file != _identity(self.path):
            # SQLite would go on with the deleted or renamed file, which nobody else will ever see.
            self.close()
        if self._db is None:
            opened = database.open_reader(self.path) if self.read_only else database.open_writer(self.path)
            self._db = opened.db
            self._file = _identity(self.path)
            if self._db:
                self.opens += 1
                self._db.row_factory = sqlite3.Row
            self.note(opened.note)
        return self._db

    def query(self, sql: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """The rows; none where the file is missing or cannot be read."""
        try:
            db = self.connection()
            return db.execute(sql, values).fetchall() if db else []
        except (sqlite3.Error, OSError) as error:
            self.trouble(error)
            return []

    def trouble(self, error: Exception) -> bool:
        """Make the best of an error; True where a broken file was set aside, so that a new one can be begun at once."""
        if database.is_passing(error):
            self.note(f"the timeline {self.path} cannot be written to for now: {error}")
            return False
        self.close()
        if self.read_only or not database.is_broken(error):
            self.note(f"the timeline {self.path} cannot be used: {error}")
            return False
        try:
            self.note(database.set_aside(self.path, "corrupt", str(error)))
        except OSError as refused:
            self.note(f"the timeline {self.path} is broken ({error}) and could not be moved aside: {refused}")
            return False
        return True

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def note(self, text: str | None) -> None:
        """Remember what is worth telling, once."""
        if text and text not in self.notes:
            self.notes.append(text)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
