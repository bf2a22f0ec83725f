"""When a head that is gone comes back as it was, and when it starts with nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from daybreak.keeper.supervision.backoff import STEADY_S
from daybreak.names import HEAD


@dataclass
class ComingBack:
    """It may once: where it fails, or dies again before it has run steadily, what it knows may be what ends it."""

    _tried_s: float | None = None

    def may(self) -> frozenset[str]:
        """The services that may come back now."""
        now_s = asyncio.get_running_loop().time()
        steady = self._tried_s is None or now_s - self._tried_s > STEADY_S
        return frozenset({HEAD}) if steady else frozenset()

    def tried(self) -> None:
        """It has just been tried, whatever came of it."""
        self._tried_s = asyncio.get_running_loop().time()
