"""What of the history is kept: all that people have asked for, and of what happens by itself the newest.

A service that crashes again and again writes some thousand events an hour.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from daybreak.timeline.event import RunKind


@dataclass(frozen=True)
class Limits:
    """The newest so many stay: events outside of runs, recoveries, and runs of every other kind."""

    events: int = 50_000
    recoveries: int = 1_000
    runs: int = 10_000


USUAL = Limits()
# Between two looks so many events are added. At once so much is deleted: who writes waits for it.
EVERY, MOST_EVENTS, MOST_RUNS = 500, 2_000, 100

_RECOVERY = f"kind = '{RunKind.RECOVERY}'"
_OTHER = f"kind <> '{RunKind.RECOVERY}'"


def prune(db: sqlite3.Connection, limits: Limits) -> None:
    """Delete some of what is beyond the limits, the oldest first; a run goes with its events. Raises sqlite3.Error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE run IS NULL AND id <= "
            "(SELECT id FROM events WHERE run IS NULL ORDER BY id DESC LIMIT 1 OFFSET ?) ORDER BY id LIMIT ?)",
            (limits.events, MOST_EVENTS),
        )
        for which, keep in ((_RECOVERY, limits.recoveries), (_OTHER, limits.runs)):
            newest = f"SELECT id FROM runs WHERE {which} ORDER BY id DESC LIMIT 1 OFFSET ?"
            found = db.execute(
                f"SELECT id FROM runs WHERE {which} AND outcome <> 'running' AND id <= ({newest}) ORDER BY id LIMIT ?",
                (keep, MOST_RUNS),
            ).fetchall()
            for run in found:
                db.execute("DELETE FROM events WHERE run = ?", (run[0],))
                db.execute("DELETE FROM runs WHERE id = ?", (run[0],))
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
