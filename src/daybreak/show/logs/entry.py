"""Lines that belong together: one with a time or a level, and those below it that have neither."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daybreak.show.logs.stamps import TRACEBACK, Level, stamp

# An entry that is longer goes on in another one, of the same time and level.
MOST_LINES = 500
# What Ray writes into the files of its worker processes for its own log monitor.
MARKERS = (":job_id:", ":actor_name:", ":task_name:")
_GOES_ON = ("During handling of the above", "The above exception was the direct")


@dataclass(frozen=True)
class Source:
    """One log file: the service that it belongs to, what stands in front of its lines, and where it is."""

    service: str
    label: str
    path: Path


@dataclass
class Entry:
    """What was logged at once. `at` is seconds since 1970; `level` is None where nothing tells."""

    at: float
    level: Level | None
    source: Source
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def to_json(self) -> dict[str, Any]:
        """For another machine."""
        source = {"service": self.source.service, "label": self.source.label, "path": str(self.source.path)}
        return {"at": self.at, "level": self.level and self.level.name, **source, "lines": self.lines}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Entry:
        """Raises KeyError, TypeError or ValueError for what is none."""
        source = Source(str(raw["service"]), str(raw["label"]), Path(str(raw["path"])))
        level = Level[raw["level"]] if raw["level"] else None
        return cls(float(raw["at"]), level, source, [str(line) for line in raw["lines"]])


class Grouper:
    """Puts lines of one file together. Fed in order; an entry is complete when the next one begins."""

    def __init__(self, source: Source, at: float) -> None:
        """`at` is the time of what comes before the first line with a time of its own."""
        self.source = source
        self._at = at
        self._latest = float("-inf")
        self._entry: Entry | None = None
        # None: outside of a traceback that began without a line above it; True: after its last line.
        self._ended: bool | None = None
        self._headed = False

    def feed(self, text: str, near: float) -> Iterator[Entry]:
        """Take the next line; yields the entry that it ends, if it does. `near` as in `stamp`."""
        if text.startswith(MARKERS):
            return
        found = stamp(text, near)
        if found:
            yield from self.flush()
            # The order within a file is the truth: two threads may have taken their times the other way round.
            if found.at is not None:
                self._at = self._latest = max(self._latest, found.at)
            self._begin(found.level)
            self._headed, self._ended = True, None
        elif self._is_raw_traceback(text):
            yield from self.flush()
            self._begin(Level.ERROR)
            self._headed, self._ended = False, False
        elif self._entry is None or not self._belongs(text):
            yield from self.flush()
            self._begin(None)
            self._headed, self._ended = False, None
        elif len(self._entry.lines) >= MOST_LINES:
            level = self._entry.level
            yield from self.flush()
            self._begin(level)
        if self._entry:
            self._entry.lines.append(text)

    def flush(self) -> Iterator[Entry]:
        """The entry that is still open, where there is one."""
        if self._entry:
            yield self._entry
            self._entry = None

    def forget(self, at: float) -> None:
        """From now on lines without a time belong to `at`: too much time has passed since the last one."""
        self._at = at
        self._headed, self._ended = False, None

    def _begin(self, level: Level | None) -> None:
        self._entry = Entry(self._at, level, self.source)

    def _is_raw_traceback(self, text: str) -> bool:
        """A traceback that no logger wrote, so nothing above it says that it is an error."""
        if not text.startswith(TRACEBACK) or self._ended:
            return False
        level = self._entry.level if self._entry else None
        return level is None or level < Level.WARNING

    def _belongs(self, text: str) -> bool:
        if self._headed:
            return True
        if self._ended is None:
            return False
        if self._ended:
            self._ended = not text.startswith(TRACEBACK)
            return not self._ended or not text or text.startswith(_GOES_ON)
        self._ended = bool(text) and not text.startswith((" ", "\t", TRACEBACK))
        return True


def entries(lines: Iterable[str], source: Source, at: float, near: float) -> Iterator[Entry]:
    """All entries of the lines, the last one included."""
    grouper = Grouper(source, at)
    for text in lines:
        yield from grouper.feed(text, near)
    yield from grouper.flush()
