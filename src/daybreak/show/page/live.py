"""Events on their way to open pages. Nobody who reads slowly, or not at all, is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from daybreak.timeline.event import Event

# Events that wait for one reader; who falls behind further is told to look anew instead.
MOST_WAITING = 256
MOST_READERS = 64


@dataclass(eq=False)
class Reader:
    """One open page. `behind` says that events were dropped, `closed` that there will be no more."""

    waiting: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    behind: bool = False
    closed: bool = False

    def put(self, event: Event | None) -> None:
        """Add an event; where there is no room, drop all that wait."""
        if self.waiting.full():
            while not self.waiting.empty():
                self.waiting.get_nowait()
            self.behind = True
        self.waiting.put_nowait(event)

    async def get(self, timeout_s: float) -> list[Event]:
        """The events that wait, else the next one; none where none came in time, or where there will be no more."""
        try:
            async with asyncio.timeout(timeout_s):
                found = [await self.waiting.get()]
        except TimeoutError:
            return []
        while not self.waiting.empty():
            found.append(self.waiting.get_nowait())
        return [event for event in found if event is not None]


class Hub:
    """Hands every event to every reader."""

    def __init__(self) -> None:
        self._readers: set[Reader] = set()
        self._closed = False

    def publish(self, event: Event) -> None:
        for reader in self._readers:
            reader.put(event)

    @property
    def full(self) -> bool:
        return len(self._readers) >= MOST_READERS

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """A reader for the length of a `with` block."""
        reader = Reader(closed=self._closed)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    def close(self) -> None:
        """End every reader."""
        self._closed = True
        for reader in self._readers:
            reader.closed = True
            reader.put(None)
