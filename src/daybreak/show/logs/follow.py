"""Log files as they grow: through rotation, restarts and new session folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daybreak.show.logs.entry import Entry, Grouper, Source
from daybreak.show.logs.lines import Lines

# An entry is complete when its file has not grown for this long: a traceback may come in several writes.
QUIET_S = 0.3
# A line without its end is shown after this long: it may be a question, or the last word of a process.
UNFINISHED_S = 1.5


@dataclass(frozen=True)
class Gaps:
    """Of what is written to a file between two looks, only the last `most_bytes` are read; `text` says so."""

    most_bytes: int
    text: str


class Tail:
    """One growing file. `poll` is given the time (seconds since 1970), and returns what is complete."""

    def __init__(self, source: Source, offset: int, now: float, gaps: Gaps | None = None) -> None:
        self._source = source
        self._gaps = gaps
        self._lines = Lines(source.path, offset)
        self._grouper = Grouper(source, now)
        self._changed = now
        self._open = False
        self.inode: int | None = None
        # Where this file's content is now, and how much of it was read, where it was renamed.
        self.moved: dict[Path, int] = {}

    def poll(self, now: float) -> list[Entry]:
        """Read what is new."""
        found: list[Entry] = []
        state = _stat(self._source.path)
        if self.inode is not None and (state is None or state.st_ino != self.inode):
            # Renamed away or deleted, and perhaps begun anew.
            found += self._feed(self._renamed(), now)
            self.inode = None
            found += self._begin_anew(now)
        elif state and state.st_size < self._lines.offset:
            # Copied away, and cut.
            found += self._feed(_copied(self._source.path, self._lines.offset), now)
            found += self._begin_anew(now)
        if state:
            self.inode = state.st_ino
            if state.st_size > self._lines.offset:
                found += self._feed((self._source.path, state.st_size), now)
        return found + list(self._settle(now))

    def belongs_to(self, source: Source) -> None:
        """What a process does may be known only after its first lines."""
        if source != self._source:
            self._source = source
            self._grouper.source = source

    def close(self) -> list[Entry]:
        """What is still held back."""
        return list(self._grouper.flush())

    def _feed(self, part: tuple[Path, int] | None, now: float) -> list[Entry]:
        """Read on, in the file that the lines are in now, up to an offset."""
        if part is None:
            return []
        self._lines.path, end = part
        if now - self._changed > QUIET_S:
            self._grouper.forget(now)
        self._changed, self._open = now, True
        found = list(self._skipped(end, now))
        found += self._fed(self._lines.read(end), now)
        if self._lines.path != self._source.path:
            self.moved[self._lines.path] = self._lines.offset
        return found

    def _skipped(self, end: int, now: float) -> Iterator[Entry]:
        """Go on near the end where too much was written since the last look."""
        if self._gaps and end - self._lines.offset > self._gaps.most_bytes:
            yield from self._grouper.flush()
            yield Entry(now, None, self._source, [self._gaps.text])
            self._lines = Lines(self._lines.path, end - self._gaps.most_bytes, in_the_middle=True)

    def _fed(self, lines: Iterator[str], now: float) -> Iterator[Entry]:
        for text in lines:
            yield from self._grouper.feed(text, now)

    def _settle(self, now: float) -> Iterator[Entry]:
        quiet_s = now - self._changed
        if self._lines.pending and quiet_s >= UNFINISHED_S:
            yield from self._fed(self._lines.rest(), now)
            yield from self._grouper.flush()
        elif self._open and quiet_s >= QUIET_S:
            self._open = False
            yield from self._grouper.flush()

    def _begin_anew(self, now: float) -> list[Entry]:
        """The next line is the first of the file; one that had no end has it now."""
        found = list(self._fed(self._lines.rest(), now))
        self._lines = Lines(self._source.path)
        return found

    def _renamed(self) -> tuple[Path, int] | None:
        """Where the file is that was followed so far, and how much it holds."""
        try:
            with os.scandir(self._source.path.parent) as siblings:
                for entry in siblings:
                    if entry.inode() == self.inode:
                        return Path(entry.path), entry.stat().st_size
        except OSError:
            pass
        return None


class Follower:
    """All files of a cluster as they grow: every line, or with gaps where more is written at once than is wanted."""

    def __init__(self, gaps: Gaps | None = None) -> None:
        self._gaps = gaps
        self._tails: dict[Path, Tail] = {}

    def add(self, source: Source, now: float, offset: int = 0) -> None:
        """Follow one more file from an offset; what was read of it under another name is not read again."""
        if source.path in self._tails:
            self._tails[source.path].belongs_to(source)
            return
        state = _stat(source.path)
        if state is None or any(t.inode == state.st_ino for t in self._tails.values()):
            return
        read = [tail.moved[source.path] for tail in self._tails.values() if source.path in tail.moved]
        tail = Tail(source, max([offset, *read]), now, self._gaps)
        tail.inode = state.st_ino
        self._tails[source.path] = tail

    def poll(self, now: float) -> list[Entry]:
        """What has been written since, by time; files that are gone are forgotten."""
        found = [entry for tail in self._tails.values() for entry in tail.poll(now)]
        for path in [path for path, tail in self._tails.items() if tail.inode is None]:
            found += self._tails[path].close()
            if not self._tails[path].moved:
                del self._tails[path]
        return sorted(found, key=lambda entry: entry.at)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _copied(path: Path, offset: int) -> tuple[Path, int] | None:
    """The copy that was made before the file was cut, if it is as long as what was read already."""
    copy = path.with_name(f"{path.name}.1")
    state = _stat(copy)
    return (copy, state.st_size) if state and state.st_size >= offset else None
