"""The last safe requests that applications have answered, each different one once, to rehearse a new version with.

In memory alone, since they may hold secrets, and only where the spec wants them.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

from daybreak.keeper.gateway.request_line import NOTHING, Ending, RequestLine, request_of
from daybreak.spec.model import Rehearse

# What takes longer would hold up the restart that asks it again.
LONGEST_MS = 2000
NO_APPLICATION = "-"
HIDDEN = "..."
LONGEST_SHOWN = 200


class KeptRequest(NamedTuple):
    """A GET that can be sent again: path with query, and headers."""

    target: str
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def shown(self) -> str:
        """Its path, and the names in its query: values may be secret."""
        path, mark, query = self.target.partition("?")
        names = (f"{name}={HIDDEN}" if equals else HIDDEN for name, equals, _ in _parts(query))
        return (path + mark + "&".join(names if mark else ()))[:LONGEST_SHOWN]


class KeptRequests:
    """Bounded in number by the spec, and in size by the gateway's lines. Where there are too many the oldest one goes
    of the application that has most: one that is asked all the time leaves the others theirs."""

    def __init__(self) -> None:
        self._wanted = Rehearse(enabled=False)
        self._skipped: tuple[bytes, ...] = ()
        # By application, the oldest first; the numbers say which came later, whatever its application.
        self._kept: dict[str, dict[bytes, int]] = {}
        self._newest = 0

    def want(self, wanted: Rehearse) -> None:
        """From now on these; none where that is not enabled."""
        self._wanted = wanted
        self._skipped = tuple(path.rstrip("/").encode() for path in wanted.skip)
        if not wanted.enabled:
            self.clear()
        self._make_room()

    def clear(self) -> None:
        self._kept.clear()

    def take(self, line: bytes, request: RequestLine) -> None:
        """Keep the request of a line, where it is one that may be sent again and was answered soon."""
        answered = request.ending is Ending.ANSWERED and not request.streams
        soon = request.latency_ms - request.held_ms <= LONGEST_MS
        raw = request_of(line) if self._wanted.enabled and answered and soon else b""
        if not raw or request.application == NO_APPLICATION or self._is_skipped(raw):
            return
        of_one = self._kept.setdefault(request.application, {})
        of_one.pop(raw, None)
        self._newest += 1
        of_one[raw] = self._newest
        self._make_room()

    def newest_first(self) -> list[KeptRequest]:
        rows = [(number, raw) for of_one in self._kept.values() for raw, number in of_one.items()]
        found = (_read(raw) for _, raw in sorted(rows, reverse=True))
        return [one for one in found if one]

    def _is_skipped(self, raw: bytes) -> bool:
        path = raw.partition(b" ")[0].partition(b"?")[0]
        return any(path == one or path.startswith(one + b"/") for one in self._skipped)

    def _make_room(self) -> None:
        while sum(map(len, self._kept.values())) > self._wanted.keep:
            name, of_one = max(self._kept.items(), key=lambda item: len(item[1]))
            del of_one[next(iter(of_one))]
            if not of_one:
                del self._kept[name]


def _read(raw: bytes) -> KeptRequest | None:
    """None for what is none."""
    try:
        target, *given = raw.decode("ascii").split(" ")
        headers = [(name, value) for name, _, value in (one.partition(":") for one in given)]
        told = [(name, value) for name, value in headers if value.encode() not in NOTHING]
        return KeptRequest(
            target, tuple((name, base64.b64decode(value, validate=True).decode("ascii")) for name, value in told)
        )
    except ValueError:
        return None


def _parts(query: str) -> list[tuple[str, str, str]]:
    return [part.partition("=") for part in query.split("&")]
