"""Which line of a log tells of trouble: the one judgement for errors, `doctor` and whoever looks for a reason."""

from __future__ import annotations

import re
import time

from daybreak.show.logs.stamps import Level, stamp

# Where a line has no level: such a word, or the last line of a traceback (`ValueError: ...`).
_SAYS = re.compile(r"\b(ERROR|CRITICAL|FATAL|PANIC)\b|^[A-Za-z_][\w.]*(Error|Exception|Died)\b")


def alarms(line: str) -> bool:
    """By its level, where it has one."""
    found = stamp(line, time.time())
    if found and found.level is not None:
        return found.level >= Level.ERROR
    return _SAYS.search(line) is not None
