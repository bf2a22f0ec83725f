"""Writes to the timeline that wait in memory while the disk takes none."""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import dataclass

from daybreak.timeline import database
from daybreak.timeline.disk import Disk
from daybreak.timeline.event import Event

# So many wait; the oldest event goes first.
PENDING_LIMIT = 1000


@dataclass(frozen=True)
class Write:
    """A statement with its values, and the event that it records."""

    sql: str
    values: tuple[object, ...]
    event: Event | None = None


class Pending:
    """Writes in their order, each committed by itself. `began` are those that a file begun anew needs first."""

    def __init__(self, disk: Disk) -> None:
        self.began: dict[int, Write] = {}
        self._disk = disk
        self._writes: deque[Write] = deque()
        self._opens = 0

    @property
    def events(self) -> list[Event]:
        """What is not on disk yet."""
        return [write.event for write in self._writes if write.event]

    def write(self, write: Write) -> bool:
        """Write it behind what waits; False where it has to wait, too."""
        self._writes.append(write)
        if self.flush():
            return True
        if len(self._writes) > PENDING_LIMIT:
            # How runs began and ended is worth more than what happened in them.
            oldest = next((kept for kept in self._writes if kept.event), self._writes[0])
            self._writes.remove(oldest)
        return False

    def flush(self) -> bool:
        """Write what waits, in order, each committed; False where some of it has to stay in memory."""
        replaced = False
        while self._writes:
            try:
                db = self._disk.connection()
                if db is None:
                    return False
                self._begin_again()
                db.execute(self._writes[0].sql, self._writes[0].values)
                self._writes.popleft()
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
        self._writes.extendleft(write for write in self.began.values() if write not in self._writes)

    def _drop_first(self, error: Exception) -> None:
        """Give up on a write that no disk would take, so that it does not hold up those behind it."""
        self._writes.popleft()
        self._disk.note(f"an event could not be recorded: {error}")
