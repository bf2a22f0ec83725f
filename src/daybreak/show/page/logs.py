"""Logs for the page: the last lines of a service's files, then what is added to them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from daybreak.paths import ClusterPaths
from daybreak.redact import Redaction
from daybreak.show.logs.entry import Entry
from daybreak.show.logs.follow import Follower as FileFollower
from daybreak.show.logs.follow import Gaps
from daybreak.show.logs.history import History
from daybreak.show.logs.merged import merged
from daybreak.show.logs.selection import Once, Parting, Selection, misleads
from daybreak.show.logs.sources import Sources
from daybreak.show.text import harmless
from daybreak.timeline.stops import was_asked_to_stop

LAST_LINES = 200
# Of one file, in one look. Who writes faster than this is read with gaps.
GAPS = Gaps(256 * 1024, "… lines left out: they come faster than they can be shown")
MOST_LINES = 500
# Looking for new files takes longer than looking at the known ones.
FIND_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Line:
    """A line, and the file it is from: the service's own where `label` is empty."""

    label: str
    text: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


class Follower:
    """Reads one service's files as `daybreak logs` does. Blocking: to be called in a thread."""

    def __init__(self, paths: ClusterPaths, service: str) -> None:
        self._service = service
        self._sources = Sources(paths, [service])
        self._files = FileFollower(GAPS)
        self._once = Once()
        self._parting = Parting(lambda service, at: was_asked_to_stop(paths.timeline, service, at))
        self._redact = Redaction(paths.secrets)
        self._found = 0.0

    def last(self) -> list[Line]:
        """The last lines of all its files together, by time."""
        selection = Selection(lines=LAST_LINES)
        histories = [History(source, selection) for source in self._sources.find()]
        lines = list(self._lines(merged(histories, selection.lines, self._once)))
        now = time.time()
        for history in histories:
            self._files.add(history.source, now, history.end)
        return lines

    def more(self) -> list[Line]:
        """What was written since."""
        now = time.time()
        if now - self._found >= FIND_INTERVAL_S:
            for source in self._sources.find():
                self._files.add(source, now)
            self._found = now
        new = (entry for entry in self._files.poll(now) if self._once.is_new(entry))
        return list(self._lines(new))[-MOST_LINES:]

    def _lines(self, entries: Iterable[Entry]) -> Iterator[Line]:
        for entry in entries:
            if misleads(entry) or not self._parting.is_news(entry):
                continue
            label = entry.source.label.removeprefix(self._service).removeprefix("/")
            yield from (Line(label, harmless(self._redact(text))) for text in entry.lines)
