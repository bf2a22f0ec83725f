"""The past of many logs as one, by time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from daybreak.show.logs.entry import Entry
from daybreak.show.logs.history import History, newest
from daybreak.show.logs.selection import Once


def merged(histories: Sequence[History], lines: int | None, once: Once) -> Iterator[Entry]:
    """Every entry by time, each once; of each service at most the last `lines` lines, all where that is None."""
    if lines is None:
        yield from _by_time((history.read() for history in histories), once)
        return
    services = dict.fromkeys(history.source.service for history in histories)
    parts = []
    for service in services:
        own = (history.read() for history in histories if history.source.service == service)
        parts.append(newest(_by_time(own, once), lines)[0])
    yield from heapq.merge(*parts, key=_at)


def _by_time(parts: Iterable[Iterable[Entry]], once: Once) -> Iterator[Entry]:
    return (entry for entry in heapq.merge(*parts, key=_at) if once.is_new(entry))


def _at(entry: Entry) -> float:
    return entry.at
