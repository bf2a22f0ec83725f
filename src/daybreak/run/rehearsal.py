"""Whether a new version answers as the old one does: both are asked the same, one right after the other. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# It is not to be slower than twice. Of tiny times so many ms more are noise, and noticed by nobody.
SLOWER_FACTOR, SLOWER_MORE_MS = 2.0, 20.0
# A number with one digit more makes a small answer larger by many per cent.
SIZE_MORE_BYTES = 64


@dataclass(frozen=True)
class Told:
    """One answer: its status, its media type, the bytes of its body, and how long it took to come whole."""

    status: int
    kind: str
    size: int
    took_ms: float


def difference(old: Sequence[Told], new: Sequence[Told], size_percent: int) -> str:
    """What is otherwise in all answers of the new version than in any of the old one's, in words; empty where nothing
    is. There must be one of each.

    What the old one answers now so, now otherwise, the new one may answer either way. Of the times the best one counts.
    """
    found = [_unlike(before, after, size_percent) for before in old for after in new]
    return found[-1] if all(found) else slower(old, new)


def slower(old: Sequence[Told], new: Sequence[Told]) -> str:
    """By how much the new version is, in words; empty where it is not."""
    before, after = (min(one.took_ms for one in told) for told in (old, new))
    if after <= max(SLOWER_FACTOR * before, before + SLOWER_MORE_MS):
        return ""
    return f"took {after:,.0f} ms at best, {before:,.0f} ms by the old version"


def _unlike(old: Told, new: Told, size_percent: int) -> str:
    if new.status != old.status:
        return f"status {new.status} instead of {old.status}"
    if new.kind != old.kind:
        return f"{new.kind or 'no content type'} instead of {old.kind or 'no content type'}"
    return "" if _of_a_size(old.size, new.size, size_percent) else f"{new.size:,} bytes instead of {old.size:,}"


def _of_a_size(old: int, new: int, percent: int) -> bool:
    """An empty answer is like no other one."""
    if not old or not new:
        return old == new
    return abs(new - old) <= max(old * percent / 100, SIZE_MORE_BYTES)
