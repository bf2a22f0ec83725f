"""What a log file holds so far, read from its end: no more of it than is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daybreak.show.logs.entry import Entry, Source, entries
from daybreak.show.logs.lines import Lines
from daybreak.show.logs.selection import Selection
from daybreak.show.logs.stamps import stamp

FIRST_WINDOW_BYTES = 64 * 1024
WINDOW_GROWTH = 4
# Where lines are searched for a pattern, or a time, this much of a file's end is searched.
LOOK_BACK_BYTES = 64 * 1024 * 1024
# How far into a stretch the first line with a time is looked for.
FIRST_STAMP_BYTES = 64 * 1024


@dataclass(frozen=True)
class Segment:
    """One file of a log: the log itself, or an older part of it. Only the bytes before `size` are read."""

    path: Path
    size: int
    changed: float

    @classmethod
    def of(cls, path: Path) -> Segment | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(path, found.st_size, found.st_mtime)


def older(path: Path) -> Iterator[Path]:
    """The rotated parts of a log, newest first: NAME.1, or what Ray calls `worker-(...).1.out`. `raylet.1.out` is none:
    another node of an old Ray writes it."""
    yield from _numbered(path, path.name, "")
    if path.name.startswith("worker-"):
        yield from _numbered(path, path.stem, path.suffix)


def _numbered(path: Path, before: str, after: str) -> Iterator[Path]:
    number = 1
    while (part := path.with_name(f"{before}.{number}{after}")).is_file():
        yield part
        number += 1


class History:
    """The past of one log, as far as a selection wants it. `cut_short`: not all that was wanted could be searched."""

    def __init__(self, source: Source, selection: Selection) -> None:
        self.source = source
        self._selection = selection
        self._newest = Segment.of(source.path)
        self.cut_short = False

    @property
    def end(self) -> int:
        """Where following goes on: what has been written later is not part of this."""
        return self._newest.size if self._newest else 0

    def read(self) -> Iterable[Entry]:
        """The entries, oldest first; an iterator that holds one at a time where their number is not limited."""
        if self._newest is None:
            return ()
        return self._last(self._selection.lines) if self._selection.lines is not None else self._since()

    def _segments(self) -> Iterator[Segment]:
        """Newest first; those that end before the moment asked for are left out."""
        since = self._selection.since
        candidates = [self._newest, *map(Segment.of, older(self.source.path))]
        for segment in candidates:
            if segment is None or (since is not None and segment.changed < since):
                return
            yield segment

    def _since(self) -> Iterator[Entry]:
        starts: list[tuple[Segment, int]] = []
        for segment in self._segments():
            start = self._start(segment)
            starts.append((segment, start))
            if start > 0:
                break
        for segment, start in reversed(starts):
            yield from self._selection.pick(self._parsed(segment, start))

    def _start(self, segment: Segment) -> int:
        """An offset before everything since the moment asked for; 0 where all of the segment may be wanted."""
        since, window = self._selection.since, FIRST_WINDOW_BYTES
        while since is not None and window < segment.size:
            start = segment.size - window
            first = self._first_time(segment, start)
            if first is not None and first < since:
                return start
            if first is None and window > LOOK_BACK_BYTES:
                self.cut_short = True
                return start
            window *= WINDOW_GROWTH
        return 0

    def _last(self, most: int) -> list[Entry]:
        """The last lines that the selection takes, `most` of them."""
        found: list[Entry] = []
        missing = most
        for segment in self._segments():
            part = self._last_of(segment, missing)
            found = [*part, *found]
            missing -= sum(len(entry.lines) for entry in part)
            if missing <= 0:
                break
        return found

    def _last_of(self, segment: Segment, most: int) -> list[Entry]:
        window = FIRST_WINDOW_BYTES
        while True:
            start = max(0, segment.size - window)
            found, count = newest(self._selection.pick(self._parsed(segment, start)), most)
            since, first = self._selection.since, self._first_time(segment, start) if start else None
            reached = since is not None and first is not None and first < since
            if count >= most or start == 0 or reached:
                return found
            if window >= LOOK_BACK_BYTES:
                self.cut_short = True
                return found
            window *= WINDOW_GROWTH

    def _parsed(self, segment: Segment, start: int) -> Iterator[Entry]:
        lines = Lines(segment.path, start, in_the_middle=start > 0)
        first = self._first_time(segment, start)
        at = segment.changed if first is None else first
        yield from entries(_with_rest(lines, segment), self.source, at, segment.changed)

    def _first_time(self, segment: Segment, start: int) -> float | None:
        """The time of the first line that has one, if it is near."""
        lines = Lines(segment.path, start, in_the_middle=start > 0)
        for text in lines.read(min(segment.size, start + FIRST_STAMP_BYTES)):
            found = stamp(text, segment.changed)
            if found and found.at is not None:
                return found.at
        return None


def _with_rest(lines: Lines, segment: Segment) -> Iterator[str]:
    yield from lines.read(segment.size)
    yield from lines.rest()


def newest(found: Iterable[Entry], most: int) -> tuple[list[Entry], int]:
    """The last `most` lines of the entries; the oldest entry may lose its first ones. And how many there are."""
    kept: deque[Entry] = deque()
    count = 0
    for entry in found:
        kept.append(entry)
        count += len(entry.lines)
        while kept and count - len(kept[0].lines) >= most:
            count -= len(kept.popleft().lines)
    if count > most and kept:
        first = kept[0]
        kept[0] = Entry(first.at, first.level, first.source, first.lines[count - most :])
        count = most
    return list(kept), count
