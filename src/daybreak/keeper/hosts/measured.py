"""How far apart the clocks of two machines are, and how long a message takes between them: by four stamps of each
exchange, as NTP has it. What one end waits before it answers does not count."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ASKED, HEARD, TOLD = "asked", "heard", "told"
# So many exchanges are looked at: the quickest of them waited for nothing, and tells the time best.
MOST = 8
# A clock that was set between two stamps makes nonsense of them.
LONGEST_S = 60.0


@dataclass
class Distance:
    """Between this machine and one other."""

    _last: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MOST))

    def hear(self, stamps: Mapping[str, Any], now: float) -> None:
        """When it was `asked` here, `heard` and `told` there, by each machine's own clock in seconds since 1970; `now`
        it was heard here. What is no such thing is left out."""
        try:
            asked, heard, told = (float(stamps[name]) for name in (ASKED, HEARD, TOLD))
        except (KeyError, TypeError, ValueError):
            return
        there_and_back = (now - asked) - (told - heard)
        if 0 <= there_and_back < LONGEST_S:
            self._last.append((there_and_back, ((heard - asked) + (told - now)) / 2))

    def forget(self) -> None:
        """Of another connection nothing is known yet."""
        self._last.clear()

    @property
    def latency_s(self) -> float | None:
        """There and back; None before anything was measured."""
        return min(self._last)[0] if self._last else None

    @property
    def ahead_s(self) -> float | None:
        """How far the other clock is ahead of this one; negative where it is behind."""
        return min(self._last)[1] if self._last else None
