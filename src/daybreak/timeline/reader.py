"""Reading the timeline: every run and every event, while the keeper writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from daybreak.errors import UsageError
from daybreak.timeline import rows
from daybreak.timeline.disk import Disk
from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.run import Run


@dataclass(frozen=True)
class Mark:
    """A place in the history: the last event that was read."""

    id: int = 0
    wall: float = 0.0


class Reader:
    """Runs and events in one SQLite file, which is neither made nor changed; a missing one reads as empty.

    `notes` says, once each, what is wrong with the file. To be used from one thread.
    """

    read_only = True

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._disk = Disk(self.path, self.read_only)
        # Opened at once, so that a broken file is noted before anything depends on it.
        self._disk.query("SELECT 1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._disk.close()

    @property
    def notes(self) -> list[str]:
        """What went wrong with the file so far, in words for people; empty where nothing did."""
        return list(self._disk.notes)

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
        # One kind may be rare, and has an index. Of several the last ones are soon found from the end; with the index
        # (a `+` forbids it) all of them would be sorted.
        which = "kind" if len(kinds) == 1 else "+kind"
        found = self._disk.query(
            f"SELECT * FROM events WHERE {which} IN ({places}) ORDER BY id DESC LIMIT ?",
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
            f"SELECT * FROM events WHERE id > ? AND +kind IN ({places}) ORDER BY id LIMIT ?",
            (mark.id, *map(str, kinds), limit),
        )
        last = Mark(found[-1]["id"], found[-1]["wall"]) if found else mark
        return self._joined(found, []), last

    def _unwritten(self) -> list[Event]:
        """Events that are not on disk yet: of whoever writes."""
        return []

    @staticmethod
    def _joined(found: list[sqlite3.Row], unwritten: list[Event]) -> list[Event]:
        return [event for event in map(rows.event_of, found) if event] + unwritten
