"""The SQLite file under the store: opening it, its schema, and what to do where it is broken."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# A write that has to wait is kept in memory and repeated, so the writer, which runs in an event loop, waits briefly.
WRITER_BUSY_MS = 250
READER_BUSY_MS = 2000

# What is wrong for good: our tables are missing (1), the image is malformed (11), it is no database at all (26).
_BROKEN = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_COMPANIONS = ("", "-wal", "-shm")


def _first_schema(db: sqlite3.Connection) -> None:
    # AUTOINCREMENT: a run's number is never given again, even after `clear`.
    db.execute(
        """
        CREATE TABLE runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, began_wall REAL NOT NULL,
            outcome TEXT NOT NULL, workers INTEGER NOT NULL, warm INTEGER NOT NULL, versions TEXT NOT NULL,
            machine TEXT NOT NULL, spec_digest TEXT NOT NULL, duration_s REAL, ready_after_s REAL,
            first_response_s REAL, error TEXT
        )
        """
    )
    db.execute(
        """
        CREATE TABLE events (
            id INTEGER PRIMARY KEY, run INTEGER, kind TEXT NOT NULL, at_s REAL NOT NULL, wall REAL NOT NULL,
            service TEXT, data TEXT NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX events_of_run ON events (run)")


def _ways(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE runs ADD COLUMN way TEXT")


def _receipts(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE runs ADD COLUMN receipt TEXT")  # JSON


def _kinds(db: sqlite3.Connection) -> None:
    db.execute("CREATE INDEX events_of_kind ON events (kind)")


# A change of the schema is one more function at the end; a file's `user_version` is how many were applied to it.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first_schema, _ways, _receipts, _kinds)


@dataclass(frozen=True)
class Opened:
    """An open connection, None where there is nothing to read, and what is worth telling about it."""

    db: sqlite3.Connection | None
    note: str | None = None


def is_broken(error: BaseException) -> bool:
    """Whether the file itself is the trouble, so that waiting for a free lock or a free disk would not help."""
    return isinstance(error, sqlite3.DatabaseError) and _code(error) in _BROKEN


def is_passing(error: BaseException) -> bool:
    """Whether the connection is still good: the disk is full, or somebody else is writing."""
    return _code(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_refusal(error: BaseException) -> bool:
    """Whether these values would never be taken, on any disk."""
    refusals = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
    return isinstance(error, (*refusals, ValueError, OverflowError))


def _code(error: BaseException) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def open_writer(path: Path) -> Opened:
    """Open or create the file (mode 0600) and bring its schema up to date.

    A file that is broken, or that a newer daybreak wrote, is set aside first. Raises OSError and sqlite3.Error where
    the disk or its permissions are the trouble.
    """
    try:
        db = _open_writer(path)
    except sqlite3.DatabaseError as error:
        if not is_broken(error):
            raise
        note = set_aside(path, "corrupt", str(error))
        return Opened(_open_writer(path), note)
    version = schema_version(db)
    if version <= len(MIGRATIONS):
        return Opened(db)
    db.close()
    note = set_aside(path, f"schema{version}", "it was written by a newer daybreak")
    return Opened(_open_writer(path), note)


def _open_writer(path: Path) -> sqlite3.Connection:
    # Created before SQLite opens it: so it is private from the start, as are the -wal and -shm, which inherit its mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if path.stat().st_uid == os.geteuid():
        path.chmod(0o600)
    db = sqlite3.connect(path, isolation_level=None, timeout=WRITER_BUSY_MS / 1000)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: Path) -> Opened:
    """Open the file for reading only; nothing is created, changed or set aside.

    A missing file gives no connection and no note; one that cannot be read gives no connection and says why.
    """
    if not path.exists():
        return Opened(None)
    try:
        return _readable(_open_uri(path, "mode=ro"))
    except (sqlite3.Error, OSError) as error:
        trouble = error
    if is_broken(trouble):
        return Opened(None, f"{path} cannot be read: {trouble}")
    try:
        # In a folder that cannot be written to SQLite has no place for its -shm file; the file alone still reads.
        opened = _readable(_open_uri(path, "mode=ro&immutable=1"))
    except (sqlite3.Error, OSError) as error:
        return Opened(None, f"{path} cannot be read: {error}")
    wal = path.with_name(path.name + "-wal")
    partial = wal.exists() and wal.stat().st_size > 0
    return Opened(opened.db, f"the newest events in {wal} could not be read" if partial else opened.note)


def _open_uri(path: Path, options: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{options}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=READER_BUSY_MS / 1000)


def _readable(db: sqlite3.Connection) -> Opened:
    try:
        version = schema_version(db)
        db.execute("SELECT name FROM sqlite_master").fetchall()
        if version == len(MIGRATIONS):
            return Opened(db)
        if version > len(MIGRATIONS):
            db.close()
            return Opened(None, "the timeline was written by a newer daybreak; read it with that one")
        with closing(db):
            return Opened(_migrated_copy(db))
    except BaseException:
        db.close()
        raise


def _migrated_copy(db: sqlite3.Connection) -> sqlite3.Connection:
    """An older file brought up to date in memory: a reader changes nothing on disk."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    try:
        db.backup(copy)
        migrate(copy)
    except BaseException:
        copy.close()
        raise
    return copy


def schema_version(db: sqlite3.Connection) -> int:
    """How many migrations the file has seen."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite3.Connection) -> None:
    """Apply the migrations the file has not seen, all or none."""
    version = schema_version(db)
    if version == len(MIGRATIONS):
        # Reading the schema finds a broken file now and not at the first write.
        db.execute("SELECT 1 FROM runs, events LIMIT 0").fetchall()
    if version >= len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[schema_version(db) :]:
            step(db)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def set_aside(path: Path, label: str, why: str) -> str:
    """Rename the file, with its -wal and -shm, to `<name>.<label>-<n>`; returns what to tell the user."""
    for number in itertools.count(1):
        target = path.with_name(f"{path.name}.{label}-{number}")
        if not target.exists():
            break
    for suffix in _COMPANIONS:
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(target.with_name(target.name + suffix))
    return f"the timeline {path} could not be used ({why}); it was moved to {target.name} and a new one was begun"
