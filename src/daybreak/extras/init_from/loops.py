"""A loop that sleeps for an hour, a day or a week does what a schedule does. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

SHELLS, UNITS = ("sh", "bash", "ash", "dash"), {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
OFTEN = {3600: "@hourly", 86400: "@daily", 7 * 86400: "@weekly"}
NAP = r"sleep\s+(\d+)([smhd]?)"
LOOP = re.compile(rf"\s*while\s+(?:true|:)\s*;\s*do\s+(?:{NAP}\s*;\s*([^;&|]+?)|([^;&|]+?)\s*;\s*{NAP})\s*;?\s*done\s*")


@dataclass(frozen=True)
class Loop:
    """What it runs, and when a schedule would."""

    words: tuple[str, ...]
    cron: str


def loop_of(words: Sequence[str]) -> Loop | None:
    """The loop that a command is, where its pause is one that a schedule has a word for."""
    if len(words) != 3 or PurePosixPath(words[0]).name not in SHELLS or not re.fullmatch(r"-\w*c", words[1]):
        return None
    if not (found := LOOP.fullmatch(words[2])):
        return None
    first, first_unit, after, before, last, last_unit = found.groups()
    cron = OFTEN.get(int(first or last) * UNITS[first_unit or last_unit or ""])
    return Loop((words[0], words[1], after or before), cron) if cron else None
