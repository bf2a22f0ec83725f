"""How far a backup is, for whoever watches; and until when it must be done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from daybreak.errors import EXIT_TIMEOUT, DaybreakError


@dataclass(frozen=True)
class Told:
    """So much of something has gone through; `over` where that is all of it."""

    what: str
    size_bytes: int = 0
    over: bool = False


Tell = Callable[[Told], None]


class TooLate(DaybreakError):
    """The deadline has passed."""

    exit_code = EXIT_TIMEOUT


class Deadline:
    """When all of it must be done."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._at = time.monotonic() + timeout_s

    @property
    def left_s(self) -> float:
        """What is left of the time; never less than a moment, so that whatever waits for it ends by it."""
        return max(0.001, self._at - time.monotonic())

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._at

    def too_late(self, what: str) -> TooLate:
        """What to say then."""
        return TooLate(f"{what} was not done within {self.timeout_s:g} s", hint="give it more time: --timeout 4h")
