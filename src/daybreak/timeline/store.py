"""The timeline on disk: every run and every event, committed as it happens."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from daybreak.errors import DaybreakError, UsageError
from daybreak.timeline import database, rows
from daybreak.timeline.disk import Disk
from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.run import Run

__all__ = ["PENDING_LIMIT", "Mark", "Run", "Store"]

# How many writes wait in memory while the disk takes none; the oldest event goes first.
PENDING_LIMIT = 1000


@dataclass(frozen=True)
class Mark:
    """A place in the history: the last event that was read."""

    id: int = 0
    wall: float = 0.0


@dataclass(frozen=True)
class _Write:
    sql: str
    values: tuple[object, ...]
    event: Event | None = None


class Store:
    """Runs and events in one SQLite file. The keeper alone writes; anybody may read meanwhile with `read_only`.

    A missing file reads as empty. Nothing here stops a cluster: what cannot be written is kept in memory and written
    later, a broken file is set aside as `<name>.corrupt-<n>` and a new one begun. `notes` says, once each, what of
    this happened. To be used from one thread.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.read_only = read_only
        self._disk = Disk(self.path, read_only)
        self._pending: deque[_Write] = deque()
        self._began: dict[int, _Write] = {}
        self._last_run = 0
        self._opens = 0
        # Opened at once, so that a broken file is noted before anything depends on it.
        self._disk.query("SELECT 1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Write what is still kept in memory where the disk takes it, and close the file."""
        if self._pending:
            self._flush()
        self._disk.close()

    @property
    def notes(self) -> list[str]:
        """What went wrong with the file so far, in words for people; empty where nothing did."""
        return list(self._disk.notes)

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
    ) -> int:
        """Record that a run began, and return its number. `wall` is seconds since 1970."""
        self._last_run = run = self._next_run(wall)
        values = (run, str(kind), wall, workers, warm, rows.dump(versions), rows.dump(machine), rows.text(spec_digest))
        self._began[run] = _Write(rows.BEGIN_RUN, values)
        self._write(self._began[run])
        return run

    def add(self, event: Event) -> bool:
        """Record an event; False where it is kept in memory until the disk takes it."""
        service = None if event.service is None else rows.text(event.service)
        values = (event.run, str(event.kind), event.at_s, event.wall, service, rows.dump(event.data))
        return self._write(_Write(rows.ADD_EVENT, values, event))

    def end_run(
        self,
        run: int,
        outcome: Outcome,
        duration_s: float | None,
        ready_after_s: float | None = None,
        first_response_s: float | None = None,
        error: str | None = None,
    ) -> None:
        """Record how a run ended; durations in seconds, None where not measured."""
        why = None if error is None else rows.text(error)
        self._write(_Write(rows.END_RUN, (str(outcome), duration_s, ready_after_s, first_response_s, why, run)))
        self._began.pop(run, None)

    def mark_interrupted(self) -> int:
        """Mark the runs that a keeper which died left `running`; returns how many. For a new keeper, before it runs.

        Their duration becomes the time of their last event: how long they ran at least.
        """
        left = [run for run in self.runs(outcome=Outcome.RUNNING) if run.id not in self._began]
        for run in left:
            why = "the keeper ended before the run did"
            self._write(_Write(rows.INTERRUPT_RUN, (str(Outcome.INTERRUPTED), why, run.id, run.id)))
        return len(left)

    def runs(
        self, kind: RunKind | None = None, limit: int | None = None, *, outcome: Outcome | None = None
    ) -> list[Run]:
        """The runs, newest first; all where `limit` is None."""
        found = self._disk.query(
            "SELECT * FROM runs WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR outcome = ?2) "
            "ORDER BY id DESC LIMIT ?3",
            (kind and str(kind), outcome and str(outcome), -1 if limit is None else limit),
        )
        return [run for run in map(rows.run_of, found) if run]

    def run(self, run: int) -> Run:
        """One run. Raises UsageError where there is none of this number."""
        known = self.find(run)
        if known is None:
            raise UsageError(f"there is no run {run} in {self.path}", hint="daybreak perf history lists the runs")
        return known

    def find(self, run: int) -> Run | None:
        """One run; None where there is none of this number."""
        # SQLite's numbers end at 2^63.
        found = self._disk.query("SELECT * FROM runs WHERE id = ?", (run,)) if run < 2**63 else []
        return rows.run_of(found[0]) if found else None

    def events(self, run: int) -> list[Event]:
        """The events of a run in the order they happened."""
        found = self._disk.query("SELECT * FROM events WHERE run = ? ORDER BY id", (run,))
        return self._joined(found, [event for event in self._unwritten() if event.run == run])

    def recent(self, limit: int, kinds: Collection[Kind] = tuple(Kind)) -> list[Event]:
        """The last `limit` events of these kinds, in and outside of runs, in the order they happened."""
        places = ", ".join("?" * len(kinds))
        found = self._disk.query(
            f"SELECT * FROM events WHERE kind IN ({places}) ORDER BY id DESC LIMIT ?",
            (*map(str, kinds), max(limit, 0)),
        )
        joined = self._joined(found[::-1], [event for event in self._unwritten() if event.kind in kinds])
        return joined[max(len(joined) - limit, 0) :] if limit > 0 else []

    def after(self, mark: Mark, kinds: Collection[Kind], limit: int) -> tuple[list[Event], Mark] | None:
        """The next events of these kinds on disk, at most `limit`, and the mark behind the last one.

        None where the marked event is not there any more: the history was cleared, or begun anew.
        """
        if mark.id and not self._disk.query("SELECT 1 FROM events WHERE id = ? AND wall = ?", (mark.id, mark.wall)):
            return None
        places = ", ".join("?" * len(kinds))
        found = self._disk.query(
            f"SELECT * FROM events WHERE id > ? AND kind IN ({places}) ORDER BY id LIMIT ?",
            (mark.id, *map(str, kinds), limit),
        )
        last = Mark(found[-1]["id"], found[-1]["wall"]) if found else mark
        return self._joined(found, []), last

    def clear(self, kinds: Iterable[RunKind] | None = None) -> int:
        """Delete the finished runs (of `kinds`, else all) with their events, and return how many runs went.

        Without `kinds` the events outside of runs go too. A run that is still running stays. Raises DaybreakError
        where the file cannot be written to.
        """
        if not self.path.exists():
            return 0
        self._flush()
        try:
            db = self._disk.connection()
            if db is None or self.read_only:
                raise DaybreakError(f"the history in {self.path} was opened for reading only; nothing was cleared")
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

    def _next_run(self, wall: float) -> int:
        found = self._disk.query("SELECT seq FROM sqlite_sequence WHERE name = 'runs'")
        if not self._disk.is_open:
            # The numbers already given cannot be read; seconds since 1970 are above all of them.
            return max(int(wall), self._last_run + 1)
        given = int(found[0]["seq"]) if found else 0
        return max(self._last_run, given) + 1

    def _unwritten(self) -> list[Event]:
        return [write.event for write in self._pending if write.event]

    def _joined(self, found: list[sqlite3.Row], unwritten: list[Event]) -> list[Event]:
        return [event for event in map(rows.event_of, found) if event] + unwritten

    def _write(self, write: _Write) -> bool:
        self._pending.append(write)
        if self._flush():
            return True
        if len(self._pending) > PENDING_LIMIT:
            # How runs began and ended is worth more than what happened in them.
            oldest = next((kept for kept in self._pending if kept.event), self._pending[0])
            self._pending.remove(oldest)
        return False

    def _flush(self) -> bool:
        """Write what is pending, in order, each committed; False where some of it has to stay in memory."""
        replaced = False
        while self._pending:
            try:
                db = self._disk.connection()
                if db is None:
                    return False
                self._begin_again()
                db.execute(self._pending[0].sql, self._pending[0].values)
                self._pending.popleft()
            except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
                if database.is_refusal(error):
                    self._drop_first(error)
                elif replaced or not self._disk.trouble(error):
                    return False
                else:
                    replaced = True
        return True

    def _begin_again(self) -> None:
        """Let the runs under way go on where the file is another one than before."""
        if self._opens == self._disk.opens:
            return
        self._opens = self._disk.opens
        self._pending.extendleft(write for write in self._began.values() if write not in self._pending)

    def _drop_first(self, error: Exception) -> None:
        """Give up on a write that no disk would take, so that it does not hold up those behind it."""
        self._pending.popleft()
        self._disk.note(f"an event could not be recorded: {error}")
