"""What is said of a pause, in one line. Pure."""

from __future__ import annotations

from daybreak.show.text import ago
from daybreak.timeline.status import PauseStatus


def pause_line(pause: PauseStatus, now: float) -> str:
    """Since when, what becomes of requests, and what ends it."""
    what = "requests get a page" if pause.page else "requests wait"
    return f"{ago(pause.since, now)}; {what} until `daybreak resume`"
