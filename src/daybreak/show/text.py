"""How numbers are written for people, and texts that others have written. Pure; every report uses these."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence

ABSENT = "-"
MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86400
# Escape sequences of terminals: CSI, OSC, and the short ones.
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
# Everything else that would move, hide or turn around text: controls but the tab, and marks of direction.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def seconds(value_s: float | None) -> str:
    """A duration: `12 ms`, `1.23 s`, `12.3 s`, `2m 05s`, `3h 02m`; `-` for None and what is no number."""
    if value_s is None or not math.isfinite(value_s):
        return ABSENT
    if value_s < 0:
        return f"-{seconds(-value_s)}"
    # The limits are half a last digit lower than the units, so that no number rounds up to `1000 ms`.
    if value_s < 0.00995:
        return "0 ms" if value_s < 0.00005 else f"{value_s * 1000:.1f} ms"
    if value_s < 0.9995:
        return f"{value_s * 1000:.0f} ms"
    if value_s < 9.995:
        return f"{value_s:.2f} s"
    if value_s < 2 * MINUTE_S:
        return f"{value_s:.1f} s"
    whole = round(value_s)
    if whole < 2 * HOUR_S:
        return f"{whole // MINUTE_S}m {whole % MINUTE_S:02d}s"
    return f"{whole // HOUR_S}h {whole % HOUR_S // MINUTE_S:02d}m"


def size(value_bytes: float) -> str:
    """An amount of memory or disk: `512 B`, `64.0 MiB`, `1.5 GiB`."""
    for limit, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if abs(value_bytes) >= limit:
            return f"{value_bytes / limit:.1f} {unit}"
    return f"{value_bytes:.0f} B"


def ago(wall: float, now: float) -> str:
    """How long ago, both in seconds since 1970: `just now`, `12 s ago`, `3 h ago`; beyond two weeks the local date."""
    passed = now - wall
    if passed < 2:  # also where the clock was set back
        return "just now"
    if passed < 2 * MINUTE_S:
        return f"{int(passed)} s ago"
    if passed < 2 * HOUR_S:
        return f"{int(passed // MINUTE_S)} min ago"
    if passed < 2 * DAY_S:
        return f"{int(passed // HOUR_S)} h ago"
    if passed < 15 * DAY_S:
        return f"{int(passed // DAY_S)} days ago"
    return time.strftime("%Y-%m-%d", time.localtime(wall))


def plural(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def in_two_columns(rows: Mapping[str, str], least: int = 12) -> list[str]:
    """One line for each, the first column as wide as the longest name."""
    width = max([least, *map(len, rows)])
    return [f"{name:<{width}} {text}" for name, text in rows.items()]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """One line for each, columns below each other; the last is as long as it is."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]


def harmless(raw: str) -> str:
    """A line without what a terminal would act on."""
    # What a program overwrites with carriage returns (a progress bar) is shown as it ended.
    return CONTROL.sub("\ufffd", ANSI.sub("", raw).rstrip("\r").rpartition("\r")[2])
