"""Times of day that something runs at, as five-field cron has them. Reads the machine's time zones, and no clock.

Where a clock is put forward for summer, what was to run in the hour that there is not runs right after it; where it is
put back, a fixed time runs once, as Debian's cron has it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

FIELDS = 5
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
LOCALTIME = Path("/etc/localtime")


def problem(cron: str) -> str:
    """What is wrong with it; empty where nothing is."""
    if cron.startswith("@") and cron not in ALIASES:
        return f"is none of {', '.join(ALIASES)}"
    fields = len(ALIASES.get(cron, cron).split())
    if fields != FIELDS:
        return f'has {fields} fields; five are meant: minute, hour, day, month, weekday, such as "0 3 * * *"'
    try:
        next_after(cron, None, 0.0)
    except ValueError as error:
        return str(error)
    return ""


def zone(name: str | None) -> tzinfo:
    """The time zone of that name; the machine's without one. Raises ValueError for one that this machine has not."""
    named = name or os.environ.get("TZ", "").removeprefix(":")
    try:
        if named:
            return ZoneInfo(named)
        with LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file, "localtime")
    except (OSError, ValueError, KeyError) as error:
        if name:
            raise ValueError(f"this machine knows no time zone {name!r}") from error
        return UTC


def next_after(cron: str, timezone: str | None, wall_s: float) -> float:
    """The first time after that one, both in seconds since 1970. Raises ValueError for what is no cron line, for what
    never comes, and for an unknown time zone."""
    from cronsim import CronSim, CronSimError

    begin = datetime.fromtimestamp(wall_s, zone(timezone))
    try:
        found: datetime = next(CronSim(ALIASES.get(cron, cron), begin))
    except CronSimError as error:
        raise ValueError(f"is no cron line: {str(error).lower()}") from error
    except StopIteration:
        raise ValueError("never comes") from None
    return found.timestamp()
