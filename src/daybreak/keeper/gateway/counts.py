"""Numbers of requests: of one second, of one window, of all time. Bounded, whatever arrives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from daybreak.keeper.gateway.latencies import bucket, quantile
from daybreak.keeper.gateway.request_line import Ending, RequestLine
from daybreak.timeline.receipt import Receipt

# So much of the past is kept second by second.
KEPT_S = 300
# Applications beyond so many are counted together, under `OTHERS`.
MOST_APPLICATIONS = 32
OTHERS = "(others)"


@dataclass
class Counts:
    """Requests by how they ended, and how long those took that got an answer (by bucket)."""

    requests: int = 0
    failed: int = 0
    errors: int = 0
    left: int = 0
    held: int = 0
    longest_held_ms: int = 0
    slowest_ms: int = 0
    sum_ms: int = 0
    latencies: dict[int, int] = field(default_factory=dict)

    def add(self, line: RequestLine) -> None:
        self.requests += 1
        if line.held_ms > 0:
            self.held += 1
            self.longest_held_ms = max(self.longest_held_ms, line.held_ms)
        if line.ending is Ending.FAILED:
            self.failed += 1
        elif line.ending is Ending.LEFT:
            self.left += 1
        else:
            self.errors += line.ending is Ending.ERROR
            self.sum_ms += line.latency_ms
            self.slowest_ms = max(self.slowest_ms, line.latency_ms)
            number = bucket(line.latency_ms)
            self.latencies[number] = self.latencies.get(number, 0) + 1

    def merge(self, other: Counts) -> None:
        """Count what another one has counted as well."""
        for name in ("requests", "failed", "errors", "left", "held", "sum_ms"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest_held_ms = max(self.longest_held_ms, other.longest_held_ms)
        self.slowest_ms = max(self.slowest_ms, other.slowest_ms)
        for number, count in other.latencies.items():
            self.latencies[number] = self.latencies.get(number, 0) + count

    def to_json(self) -> dict[str, Any]:
        """With quantiles in ms; None where nothing was answered."""
        p50, p99 = (quantile(self.latencies, share, self.slowest_ms) for share in (0.5, 0.99))
        return {
            "requests": self.requests,
            "failed": self.failed,
            "errors": self.errors,
            "left": self.left,
            "held": self.held,
            "p50_ms": None if p50 is None else round(p50, 1),
            "p99_ms": None if p99 is None else round(p99, 1),
            "slowest_ms": self.slowest_ms if self.latencies else None,
        }

    def receipt(self) -> Receipt:
        return Receipt(
            requests=self.requests,
            failed=self.failed,
            errors=self.errors,
            left=self.left,
            slowest_ms=self.slowest_ms if self.latencies else None,
            held=self.held,
            longest_held_ms=self.longest_held_ms if self.held else None,
        )


def merged(several: Iterable[Counts]) -> Counts:
    """All of them together."""
    total = Counts()
    for one in several:
        total.merge(one)
    return total


class Application:
    """One application's requests: since the keeper began, and of each of the last seconds (since 1970)."""

    def __init__(self) -> None:
        self.total = Counts()
        self._seconds: dict[int, Counts] = {}

    def add(self, line: RequestLine, now_s: int) -> None:
        """`now_s` is this second: what is older than what is kept counts in the total alone, and nothing is later."""
        self.total.add(line)
        second = min(line.ended_ms // 1000, now_s)
        if second <= now_s - KEPT_S:
            return
        if second not in self._seconds:
            self._forget(now_s)
            self._seconds[second] = Counts()
        self._seconds[second].add(line)

    @property
    def begins_s(self) -> float:
        """The first second of which anything is kept; never, where nothing is."""
        return min(self._seconds, default=math.inf)

    def second(self, second: int) -> Counts:
        return self._seconds.get(second) or Counts()

    def between(self, first_s: int, end_s: int) -> Counts:
        """From the first second on, without the last one."""
        return merged(self._within(first_s, end_s))

    def _within(self, first_s: int, end_s: int) -> Iterator[Counts]:
        return (counts for second, counts in self._seconds.items() if first_s <= second < end_s)

    def _forget(self, now_s: int) -> None:
        # A clock that was set back leaves seconds of the future behind.
        for second in [one for one in self._seconds if not now_s - KEPT_S < one <= now_s]:
            del self._seconds[second]


# How quiet it may usually get is not learned from fewer answers.
LEAST_ANSWERS = 20
# What is beyond is no chance: so many usual pauses between answers, and this multiple of what most requests take.
PAUSES, SLOWER, MOST = 10, 2, 0.9


def usual_silence_s(applications: Iterable[Application], now_s: int) -> float | None:
    """For how long no answer may come while requests wait, by the last minutes; None where they tell nothing."""
    known = [one for one in applications if one.begins_s < now_s]
    recent = merged(one.between(now_s - KEPT_S, now_s) for one in known)
    answered = sum(recent.latencies.values())
    if answered < LEAST_ANSWERS:
        return None
    slow_ms = quantile(recent.latencies, MOST, recent.slowest_ms) or 0.0
    lasts_s = min(KEPT_S, now_s - min(one.begins_s for one in known))
    return max(PAUSES * lasts_s / answered, SLOWER * slow_ms / 1000)
