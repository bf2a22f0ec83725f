"""What is said of a version that is kept for a way back, in one line. Pure."""

from __future__ import annotations

import time

from daybreak.show.text import size
from daybreak.timeline.status import KeptStatus


def version_told(number: int | None) -> str:
    """`version 3`."""
    return "the version before" if number is None else f"version {number}"


def kept_line(kept: KeptStatus) -> str:
    """`version 3 is kept until 14:05, 612.0 MiB`: what it is, until when (local time), and what it takes meanwhile."""
    until = time.strftime("%H:%M", time.localtime(kept.until))
    return f"{version_told(kept.version)} is kept until {until}, {size(kept.memory_bytes)}"
