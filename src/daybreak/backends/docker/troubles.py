"""What goes wrong in a thread that goes on all the same: it is told once for as long as it stays the same."""

from __future__ import annotations

import logging

from daybreak.errors import EngineError

log = logging.getLogger(__name__)


class Troubles:
    """Of one thread; `what` says in words what it does."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = ""

    def tell(self, error: Exception) -> None:
        """In the keeper's log, with everything where it is no refusal of the engine's; it is tried again."""
        known = isinstance(error, EngineError)
        why = str(error) if known else f"{type(error).__name__}: {error}"
        if why != self._told:
            self._told = why
            log.warning("%s failed: %s; it is tried again", self._what, why, exc_info=None if known else error)

    def over(self) -> None:
        """It has gone well: what comes from now on is told anew."""
        self._told = ""
