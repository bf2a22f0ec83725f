"""The timeline on disk: every run and every event, committed as it happens."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.timeline import rows
from daybreak.timeline.event import Event, Outcome, RunKind
from daybreak.timeline.pending import Pending, Write
from daybreak.timeline.reader import Reader
from daybreak.timeline.receipt import Receipt
from daybreak.timeline.retention import EVERY, USUAL, Limits, prune


class Store(Reader):
    """The one that writes, the keeper's.

    Nothing here stops a cluster: what cannot be written is kept in memory and written later, a broken file is set aside
    as `<name>.corrupt-<n>` and a new one begun. `notes` says, once each, what of this happened.
    """

    read_only = False

    def __init__(self, path: Path | str, limits: Limits = USUAL) -> None:
        super().__init__(path)
        self._limits = limits
        self._added = 0
        self._pending = Pending(self._disk)
        self._last_run = 0

    def close(self) -> None:
        """Write what is still kept in memory where the disk takes it, and close the file."""
        self._pending.flush()
        super().close()

    def begin_run(
        self,
        kind: RunKind,
        *,
        workers: int,
        warm: bool,
        versions: Mapping[str, Any],
        machine: Mapping[str, Any],
        spec_digest: str,
        wall: float,
        way: str | None = None,
    ) -> int:
        """Record that a run began, and return its number. `wall` is seconds since 1970, `way` that of a restart."""
        self._last_run = run = self._next_run(wall)
        beside = (rows.dump(versions), rows.dump(machine), rows.text(spec_digest))
        values = (run, str(kind), wall, workers, warm, *beside, way)
        self._pending.began[run] = Write(rows.BEGIN_RUN, values)
        self._pending.write(self._pending.began[run])
        return run

    def add(self, event: Event) -> bool:
        """Record an event; False where it is kept in memory until the disk takes it."""
        service = None if event.service is None else rows.text(event.service)
        values = (event.run, str(event.kind), event.at_s, event.wall, service, rows.dump(event.data))
        self._added += 1
        if self._added % EVERY == 0:
            self._prune()
        return self._pending.write(Write(rows.ADD_EVENT, values, event))

    def end_run(
        self,
        run: int,
        outcome: Outcome,
        duration_s: float | None,
        ready_after_s: float | None = None,
        first_response_s: float | None = None,
        error: str | None = None,
        receipt: Receipt | None = None,
    ) -> None:
        """Record how a run ended; durations in seconds, None where not measured."""
        why = None if error is None else rows.text(error)
        counted = receipt and rows.dump(receipt.to_json())
        values = (str(outcome), duration_s, ready_after_s, first_response_s, why, counted, run)
        self._pending.write(Write(rows.END_RUN, values))
        self._pending.began.pop(run, None)

    def mark_interrupted(self) -> int:
        """Mark the runs that a keeper which died left `running`; returns how many. For a new keeper, before it runs.

        Their duration becomes the time of their last event: how long they ran at least.
        """
        left = [run for run in self.runs(outcome=Outcome.RUNNING) if run.id not in self._pending.began]
        for run in left:
            why = "the keeper ended before the run did"
            self._pending.write(Write(rows.INTERRUPT_RUN, (str(Outcome.INTERRUPTED), why, run.id, run.id)))
        return len(left)

    def clear(self, kinds: Iterable[RunKind] | None = None) -> int:
        """Delete the finished runs (of `kinds`, else all) with their events, and return how many runs went.

        Without `kinds` the events outside of runs go too. A run that is still running stays. Raises DaybreakError
        where the file cannot be written to.
        """
        self._pending.flush()
        try:
            db = self._disk.connection()
            if db is None:
                return 0
            count = rows.delete_finished(db, None if kinds is None else [str(kind) for kind in kinds])
        except (sqlite3.Error, OSError) as error:
            hint = "free some space or make it writable, and clear again"
            raise DaybreakError(f"the history in {self.path} could not be cleared: {error}", hint=hint) from error
        try:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            self._disk.note(f"the history was cleared, but {self.path} could not be made smaller: {error}")
        return count

    def _prune(self) -> None:
        try:
            if db := self._disk.connection():
                prune(db, self._limits)
        except (sqlite3.Error, OSError) as error:
            self._disk.trouble(error)

    def _next_run(self, wall: float) -> int:
        found = self._disk.query("SELECT seq FROM sqlite_sequence WHERE name = 'runs'")
        if not self._disk.is_open:
            # The numbers already given cannot be read; seconds since 1970 are above all of them.
            return max(int(wall), self._last_run + 1)
        given = int(found[0]["seq"]) if found else 0
        return max(self._last_run, given) + 1

    def _unwritten(self) -> list[Event]:
        return self._pending.events
