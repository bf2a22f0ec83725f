"""What the event loop says by itself: of a server that cannot accept, it would write a hundred tracebacks a second."""

from __future__ import annotations

import asyncio
from typing import Any

INTERVAL_S = 60.0
ACCEPTING = "socket.accept() out of system resource"


class Sparing:
    """An exception handler for loops that says the same about accepting at most once a minute, all else every time."""

    def __init__(self) -> None:
        self._again_at = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == ACCEPTING:
            if loop.time() < self._again_at:
                return
            self._again_at = loop.time() + INTERVAL_S
        loop.default_exception_handler(context)
