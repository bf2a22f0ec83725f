"""Which entries are wanted. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from daybreak.names import SERVE
from daybreak.show.logs.entry import Entry
from daybreak.show.logs.stamps import Level

# How many entries are remembered to know one that was written into two files.
REMEMBERED = 2000
AGENT_FAILED = "because one Ray agent failed"
# Serve's controller says so wherever the door is not open to all: here its proxies are where its replicas are.
ADVICE = ("won't accept connections from HAProxy on other nodes",)


@dataclass(frozen=True)
class Selection:
    """What to show. `since` is seconds since 1970; `lines` the most for each service, None for all."""

    lines: int | None = None
    since: float | None = None
    level: Level | None = None
    pattern: re.Pattern[str] | None = None

    def takes(self, entry: Entry) -> bool:
        """An entry without a level is ordinary output, as good as INFO. A pattern may match in any line of an entry."""
        if self.since is not None and entry.at < self.since:
            return False
        if self.level is not None and (entry.level or Level.INFO) < self.level:
            return False
        return self.pattern is None or any(self.pattern.search(line) for line in entry.lines)

    def to_json(self) -> dict[str, Any]:
        """For another machine."""
        pattern = self.pattern.pattern if self.pattern else None
        return {"lines": self.lines, "since": self.since, "level": self.level and self.level.name, "pattern": pattern}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Selection:
        """Raises KeyError, TypeError, ValueError or re.error for what is none."""
        level = Level[raw["level"]] if raw["level"] else None
        return cls(raw["lines"], raw["since"], level, re.compile(raw["pattern"]) if raw["pattern"] else None)

    def pick(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Those that are wanted."""
        return (entry for entry in entries if self.takes(entry))


def misleads(entry: Entry) -> bool:
    """Is it advice of Ray's that would be wrong to follow here?"""
    return entry.source.service == SERVE and any(text in entry.lines[0] for text in ADVICE)


class Parting:
    """Leaves out what a raylet blames its agents for when all of them were asked to end at the same moment.

    It speaks of broken packages and memory that ran out then, at every restart.
    """

    def __init__(self, was_asked_to_stop: Callable[[str, float], bool]) -> None:
        """The function is told a service and a time, in seconds since 1970."""
        self._was_asked = was_asked_to_stop

    def is_news(self, entry: Entry) -> bool:
        """False for such an entry of a node that was just being stopped."""
        if entry.source.path.name != "raylet.err" or AGENT_FAILED not in entry.lines[0]:
            return True
        return not self._was_asked(entry.source.service, entry.at)


class Once:
    """Leaves out what was shown already: Serve's replicas write each line into their own log and to standard error."""

    def __init__(self) -> None:
        self._known: dict[tuple[float, str], Entry] = {}
        self._order: deque[tuple[float, str]] = deque()

    def is_new(self, entry: Entry) -> bool:
        """False for the same text of the same time from another file."""
        if entry.source.service != SERVE:
            return True
        key = (entry.at, entry.text)
        known = self._known.get(key)
        if known is not None:
            return known.source.path == entry.source.path
        self._known[key] = entry
        self._order.append(key)
        if len(self._order) > REMEMBERED:
            del self._known[self._order.popleft()]
        return True
