"""What the records say together. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from bench.openloop.records import KINDS, SHORT, Kind, Outcome, Request

MOST_SHOWN = 5
# Latency that is measured by a loop as late as this is an upper bound.
LATE_S = 0.25


@dataclass(frozen=True)
class Report:
    """Requests that have ended, and the kinds that were asked."""

    requests: tuple[Request, ...]
    kinds: tuple[Kind, ...] = KINDS

    def where(self, wanted: Callable[[Request], bool]) -> Report:
        return replace(self, requests=tuple(request for request in self.requests if wanted(request)))

    def of(self, kind: Kind | str) -> Report:
        """Those of one kind."""
        name = kind if isinstance(kind, str) else kind.name
        return self.where(lambda request: request.kind == name)

    def before(self, moment_s: float) -> Report:
        """What had ended by then."""
        return self.where(lambda request: request.done_s < moment_s)

    def since(self, moment_s: float) -> Report:
        """What was under way then, or due later."""
        return self.where(lambda request: request.done_s >= moment_s)

    def due_after(self, moment_s: float) -> Report:
        """What was asked only then: nothing that was under way."""
        return self.where(lambda request: request.due_s > moment_s)

    def due_until(self, moment_s: float) -> Report:
        return self.where(lambda request: request.due_s <= moment_s)

    @property
    def outcomes(self) -> Counter[Outcome]:
        return Counter(request.outcome for request in self.requests)

    @property
    def failures(self) -> tuple[Request, ...]:
        return tuple(request for request in self.requests if request.outcome.failed)

    @property
    def failed(self) -> int:
        return len(self.failures)

    @property
    def versions(self) -> set[str]:
        """Every version that has answered."""
        return {request.version for request in self.requests if request.version is not None}

    def first_answer_s(self, version: str) -> float | None:
        """When the first answer of this version was whole."""
        return min((one.done_s for one in self._answers_of(version)), default=None)

    def last_answer_s(self, version: str) -> float | None:
        return max((one.done_s for one in self._answers_of(version)), default=None)

    def delay_s(self, request: Request) -> float:
        """Seconds from when it was due to its end, without what its kind lasts by itself."""
        return request.latency_s - next(kind.lasts_s for kind in self.kinds if kind.name == request.kind)

    @property
    def slowest_s(self) -> float | None:
        """The greatest delay of any answer; what failed is not in it."""
        return max(self._delays(), default=None)

    def quantile_s(self, share: float) -> float | None:
        """The delay that this share of the answers did not exceed (nearest rank), such as 0.99."""
        delays = sorted(self._delays())
        return delays[max(0, math.ceil(share * len(delays)) - 1)] if delays else None

    @property
    def latest_start_s(self) -> float:
        """How late the loop itself once was: more than a moment, and its own processor was the bottleneck."""
        return max((request.began_s - request.due_s for request in self.requests), default=0.0)

    @property
    def silence_s(self) -> float:
        """Longest time between two short requests that were answered, by when they were due, with none between."""
        short = sorted(self.of(SHORT).requests, key=lambda request: request.due_s)
        answered = [request.due_s for request in short if request.outcome == Outcome.OK]
        marks = [short[0].due_s, *answered, short[-1].due_s] if short else []
        return max((later - sooner for sooner, later in pairwise(marks)), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """By kind: how many, what became of them, seconds of delay."""
        return {kind.name: self.of(kind)._row() for kind in self.kinds if self.of(kind).requests}

    def __str__(self) -> str:
        """A line for each kind, then the first failures: what an assertion shows."""
        first_s = min((request.due_s for request in self.requests), default=0.0)
        failures = sorted(self.failures, key=lambda request: request.due_s)
        lines = [f"{name}: {row}" for name, row in self.to_json().items()]
        lines += [
            f"  {one.kind} due at {one.due_s - first_s:.3f} s: {one.outcome} after {one.latency_s:.3f} s, {one.error}"
            for one in failures[:MOST_SHOWN]
        ]
        if self.latest_start_s > LATE_S:
            lines.append(f"  the loop itself began up to {self.latest_start_s:.2f} s late, for want of a processor")
        return "\n".join(lines) or "no request"

    def _row(self) -> dict[str, Any]:
        delays = {"p50_s": self.quantile_s(0.5), "p99_s": self.quantile_s(0.99), "slowest_s": self.slowest_s}
        rounded = {name: None if value is None else round(value, 4) for name, value in delays.items()}
        return {"requests": len(self.requests), **{str(key): n for key, n in sorted(self.outcomes.items())}, **rounded}

    def _delays(self) -> list[float]:
        return [self.delay_s(request) for request in self.requests if request.outcome == Outcome.OK]

    def _answers_of(self, version: str) -> Sequence[Request]:
        return [one for one in self.requests if one.version == version and one.outcome == Outcome.OK]
