"""A part of the requests goes to a new generation first: in which steps, and when it is called worse. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daybreak.spec.quantities import parse_seconds

STEP_S = 10.0
ACCEPTED = "give rising per cents, and how long each lasts where it is not 10 s, such as 10% or 5%:1m,50%:30s"
# Fewer bad answers than this may be chance, whatever their share.
LEAST_BAD = 3
# A share of bad answers is worse where it is twice as large, and by so much larger.
BAD_FACTOR, BAD_MORE = 2.0, 0.01
# Latencies are compared from so many answers on; what is worse in what is not noticed by anybody counts as alike (ms).
LEAST_ANSWERS = 50
SLOWER_FACTOR, SLOWER_MORE_MS = 2.0, 20.0
TAIL_FACTOR, TAIL_MORE_MS, LEAST_FOR_TAIL = 3.0, 200.0, 200


@dataclass(frozen=True)
class Step:
    """So many per cent of the requests for so many seconds."""

    percent: int
    for_s: float = STEP_S

    @property
    def told(self) -> str:
        return f"{self.percent} % for {self.for_s:g} s"


@dataclass(frozen=True)
class Seen:
    """What was seen of one generation: how many requests, how many of them failed or were answered with an error; the
    quantiles in ms, None where nothing was answered."""

    requests: int = 0
    bad: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def answers(self) -> int:
        return self.requests - self.bad

    @property
    def share(self) -> float:
        return self.bad / self.requests if self.requests else 0.0


def parse_steps(text: str) -> list[Step]:
    """The steps from `10%`, `10%,50%` or `5%:1m,50%:30s`. Raises ValueError."""
    found: list[Step] = []
    for part in text.split(","):
        share, _, lasts = part.strip().partition(":")
        number = share.strip().removesuffix("%").strip()
        percent = int(number) if number.isascii() and number.isdecimal() and len(number) < 3 else 0
        if percent < 1 or (found and percent <= found[-1].percent):
            raise ValueError(f"{ACCEPTED}; not {text!r}")
        found.append(Step(percent, parse_seconds(lasts.strip()) if lasts else STEP_S))
    return found


def worse(old: Seen, new: Seen) -> str:
    """Why the new one is; empty where nothing says so yet."""
    if new.bad >= LEAST_BAD and new.share > max(BAD_FACTOR * old.share, old.share + BAD_MORE):
        return (
            f"{new.bad:,} of {new.requests:,} requests to the new version failed or were answered with an error, "
            f"{old.bad:,} of {old.requests:,} to the one before"
        )
    if slower := _slower(old.p50_ms, new.p50_ms, SLOWER_FACTOR, SLOWER_MORE_MS, min(old.answers, new.answers)):
        return f"half of its answers {slower}"
    few = min(old.answers, new.answers) < LEAST_FOR_TAIL
    slower = "" if few else _slower(old.p99_ms, new.p99_ms, TAIL_FACTOR, TAIL_MORE_MS, new.answers)
    return f"one in a hundred of its answers {slower}" if slower else ""


def _slower(old_ms: float | None, new_ms: float | None, factor: float, more_ms: float, answers: int) -> str:
    if old_ms is None or new_ms is None or answers < LEAST_ANSWERS:
        return ""
    if new_ms <= max(factor * old_ms, old_ms + more_ms):
        return ""
    return f"took more than {new_ms:,.0f} ms, {old_ms:,.0f} ms those of the one before"


def summary(steps: Sequence[Step]) -> str:
    """All steps in words."""
    return ", then ".join(step.told for step in steps)
