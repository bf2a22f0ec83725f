"""What the store writes and reads: statements, and rows as values."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.receipt import Receipt
from daybreak.timeline.run import Run

# OR IGNORE: after a broken file was set aside the begin of a run may be written a second time.
BEGIN_RUN = (
    "INSERT OR IGNORE INTO runs (id, kind, began_wall, outcome, workers, warm, versions, machine, spec_digest, way) "
    "VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?)"
)
ADD_EVENT = "INSERT INTO events (run, kind, at_s, wall, service, data) VALUES (?, ?, ?, ?, ?, ?)"
END_RUN = (
    "UPDATE runs SET outcome = ?, duration_s = ?, ready_after_s = ?, first_response_s = ?, error = ?, receipt = ? "
    "WHERE id = ?"
)
INTERRUPT_RUN = (
    "UPDATE runs SET outcome = ?, error = ?, duration_s = (SELECT max(at_s) FROM events WHERE run = ?) WHERE id = ?"
)


def dump(values: Mapping[str, Any]) -> str:
    """As JSON in ASCII; what JSON has no form for becomes its text."""
    try:
        return json.dumps(dict(values), default=str)
    except (TypeError, ValueError, RecursionError):
        # Keys that are no strings, or values that hold themselves: worth less than the event around them.
        return json.dumps({str(key): repr(value) for key, value in values.items()})


def text(value: str) -> str:
    """The same text without lone surrogates, which log lines and file names may hold and SQLite refuses."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def run_of(row: sqlite3.Row) -> Run | None:
    """The run in a row; None where it holds words that this version does not know."""
    try:
        values = {key: row[key] for key in row.keys()}  # noqa: SIM118 - a Row iterates over its values
        values |= {
            "kind": RunKind(row["kind"]),
            "outcome": Outcome(row["outcome"]),
            "warm": bool(row["warm"]),
            "versions": json.loads(row["versions"]),
            "machine": json.loads(row["machine"]),
            "receipt": Receipt.from_json(json.loads(row["receipt"])) if row["receipt"] else None,
        }
        return Run(**values)
    except (ValueError, TypeError):
        return None


def event_of(row: sqlite3.Row) -> Event | None:
    """The event in a row; None where it is of a kind that this version does not know."""
    try:
        return Event(
            kind=Kind(row["kind"]),
            at_s=row["at_s"],
            wall=row["wall"],
            service=row["service"],
            run=row["run"],
            data=json.loads(row["data"]),
        )
    except (ValueError, TypeError):
        return None


def delete_finished(db: sqlite3.Connection, kinds: Sequence[str] | None) -> int:
    """Delete finished runs (of `kinds`, else all) with their events, all or none; returns how many runs went."""
    finished = "outcome <> 'running'"
    if kinds is not None:
        finished += f" AND kind IN ({', '.join('?' * len(kinds))})"
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(f"DELETE FROM events WHERE run IN (SELECT id FROM runs WHERE {finished})", kinds or ())
        count = db.execute(f"DELETE FROM runs WHERE {finished}", kinds or ()).rowcount
        if kinds is None:
            db.execute("DELETE FROM events WHERE run IS NULL OR run NOT IN (SELECT id FROM runs)")
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return count
