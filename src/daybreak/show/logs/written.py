"""What logs get from now on: the known files, and those that come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from daybreak.show.logs.entry import Entry
from daybreak.show.logs.follow import Follower
from daybreak.show.logs.sources import Sources

NAP_S = 0.1
# Looking for new files takes longer than looking at the known ones.
FIND_INTERVAL_S = 0.5


def written(follower: Follower, sources: Sources, stop: threading.Event | None = None) -> Iterator[list[Entry]]:
    """The entries that were written since the last look, a few times a second, until `stop` is set, if ever."""
    over = stop or threading.Event()
    looked = time.monotonic()
    while True:
        now = time.time()
        if time.monotonic() - looked >= FIND_INTERVAL_S:
            for source in sources.find():
                follower.add(source, now)
            looked = time.monotonic()
        yield follower.poll(now)
        if over.wait(NAP_S):
            return
