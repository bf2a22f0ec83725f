"""What a fault has cost, from what was recorded while it happened. Pure; times are monotonic seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.faults.watch import READY, Said
from bench.openloop.report import Report

# Who waits for longer than this is not being served, whatever the end.
SLOW_S = 5.0
# A request that is due so near to an answer of status is made at the same moment.
NEAR_S = 0.1
# A request that takes so long is not yet served as before.
LATE_S = 1.0


@dataclass(frozen=True)
class Row:
    """One fault. Seconds count from its begin, `healthy_s` from its end (for SIGSTOP from SIGCONT on).

    `shown_s`: when status first said something else than ready; None where it never did. `lies_count`: how often it
    said ready though a request made at that moment failed, or was not answered within SLOW_S; the last time after
    `lied_s`; `untrue_count` are those of them at which one failed. `lost`: acknowledged writes that were gone, by
    database; None where that cannot be known. `absent`: it cannot be brought about here, for that `reason`, or because
    there is no such process. `exceeded`: bounds that were passed. `healthy_s` None: it did not heal, and
    `unwell` says what was wrong then. `failures` are the first ones.
    """

    fault: str
    title: str
    absent: bool = False
    reason: str = ""
    requests_count: int = 0
    failed_count: int = 0
    held_s: float | None = None
    shown_s: float | None = None
    healthy_s: float | None = None
    lies_count: int = 0
    untrue_count: int = 0
    lied_s: float | None = None
    lost: dict[str, int | None] | None = None
    unwell: tuple[str, ...] = ()
    exceeded: tuple[str, ...] = ()
    outcomes: dict[str, int] | None = None
    failures: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Row:
        lists = {name: tuple(raw.get(name, ())) for name in ("unwell", "exceeded", "failures")}
        return cls(**{**raw, **lists})


def lies(report: Report, said: Sequence[Said], began_s: float, slow_s: float = SLOW_S) -> list[Said]:
    """The answers that called everything ready while a request that was made then was not served.

    What was asked before the fault began may have been found before it, too, and was true then. Of a request that will
    be answered nobody knows that it will be late before any is: one must have waited for LATE_S already.
    """
    failed = [one.due_s for one in report.requests if one.outcome.failed]
    slow = [one.due_s for one in report.requests if one.latency_s > slow_s]
    late = [(one.due_s + LATE_S, one.done_s) for one in report.requests if one.latency_s > LATE_S]

    def untrue(one: Said) -> bool:
        seen = any(late_s <= one.asked_s < done_s for late_s, done_s in late)
        return any(abs(one.answered_s - due_s) <= NEAR_S for due_s in (*failed, *(slow if seen else ())))

    return [one for one in said if one.state == READY and one.asked_s >= began_s and untrue(one)]


def shown_s(said: Iterable[Said], began_s: float) -> float | None:
    """When it was first said that something is not as it should be."""
    return next((one.answered_s - began_s for one in said if one.asked_s >= began_s and one.state != READY), None)


def last_bad_s(
    report: Report, said: Iterable[Said], writers_failed_s: Iterable[float], ended_s: float, late_s: float = LATE_S
) -> float:
    """The last moment at which anything was not as before."""
    late = (one.done_s for one in report.requests if one.outcome.failed or one.latency_s > late_s)
    return max([ended_s, *late, *(one.answered_s for one in said if not one.whole), *writers_failed_s])


def rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
