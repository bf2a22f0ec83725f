"""The logs of one cluster on this machine as a selection wants them: what they hold, then what is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator

from daybreak.paths import ClusterPaths
from daybreak.show.logs.entry import Entry
from daybreak.show.logs.follow import Follower
from daybreak.show.logs.history import History
from daybreak.show.logs.merged import merged
from daybreak.show.logs.selection import Once, Parting, Selection, misleads
from daybreak.show.logs.sources import Sources
from daybreak.show.logs.written import written

# Was this service asked to stop at that time, in seconds since 1970?
WasAsked = Callable[[str, float], bool]


class Reading:
    """`services` as the user named them, empty for all but the keeper's; `everything`: Ray's internal logs too."""

    def __init__(
        self,
        paths: ClusterPaths,
        services: Collection[str],
        selection: Selection,
        was_asked_to_stop: WasAsked,
        *,
        everything: bool,
    ) -> None:
        self.sources = Sources(paths, services, everything=everything)
        self._selection, self._everything = selection, everything
        self._once = Once()
        self._parting = Parting(lambda service, at: not everything and was_asked_to_stop(service, at))
        self.found = self.sources.find(earlier=selection.since is not None)
        self._histories = [History(source, selection) for source in self.found]

    @property
    def cut_short(self) -> int:
        """In how many files not all that was wanted could be searched; to be asked after `past`."""
        return sum(history.cut_short for history in self._histories)

    def past(self) -> Iterator[Entry]:
        """What the logs hold, by time."""
        return filter(self._is_news, merged(self._histories, self._selection.lines, self._once))

    def news(self) -> Iterator[list[Entry]]:
        """What is written from then on, a few times a second, for ever; to be asked after `past`."""
        follower = Follower()
        for source, history in zip(self.found, self._histories, strict=True):
            follower.add(source, time.time(), history.end)
        forever = Selection(level=self._selection.level, pattern=self._selection.pattern)
        for entries in written(follower, self.sources):
            yield [
                entry for entry in entries if forever.takes(entry) and self._once.is_new(entry) and self._is_news(entry)
            ]

    def _is_news(self, entry: Entry) -> bool:
        return self._parting.is_news(entry) and (self._everything or not misleads(entry))
