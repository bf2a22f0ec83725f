"""The last lines of log files, and what a traceback among them says, for error messages."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daybreak.files import open_log
from daybreak.programs.deploy import frames
from daybreak.show.logs.alarm import alarms

MOST_BYTES = 64 * 1024
MOST_LINE = 500
# What a log may hold of one traceback: more of it than of anything else is looked at.
TRACEBACK_LINES = 400
# Written into a service's log by the backend, before anything of the instance.
_START = re.compile(r"^\S+ \S+ daybreak: starting \S+ \(instance \w+\)$")
_REASON = re.compile(
    r"\b(FATAL|PANIC|panic|Fatal|ERROR|[A-Za-z]*Error|Usage|usage|cannot|can't|could not|[Nn]ot found)\b"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STAMP = re.compile(r"^\[?\d{4}-\d\d-\d\d[T ][\d:.,]+( [A-Z]{3,4})?( \[\d+\])?[\s:]*")


@dataclass(frozen=True)
class LastWords:
    """What logs say about an end: the `reason` in one line (empty where they say none), lines to show, all lines."""

    reason: str
    lines: tuple[str, ...]
    whole: tuple[str, ...] = ()


def tail(path: Path, lines: int = 20, *, since_start: bool = False, offset: int = 0) -> list[str]:
    """The last lines of a file, each cut to 500 characters; empty where there is none.

    `since_start` leaves out what earlier instances have written, `offset` what stands before it (bytes).
    """
    try:
        with open(open_log(path), "rb") as file:
            end = file.seek(0, os.SEEK_END)
            # A log that is shorter than it was has been begun anew.
            file.seek(max(0, end - MOST_BYTES, offset if offset <= end else 0))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    found = [line[:MOST_LINE] for line in _COLOUR.sub("", text).splitlines() if line.strip()]
    if since_start:
        starts = [number for number, line in enumerate(found) if _START.match(line)]
        found = found[starts[-1] + 1 :] if starts else found
    return found[-lines:]


def sizes(patterns: Iterable[str]) -> dict[str, int]:
    """How long the files of these patterns are now, by their real paths: a link may soon lead to another file."""
    found = {}
    for pattern in patterns:
        for name in glob.glob(pattern):
            try:
                found[os.path.realpath(name)] = os.stat(name).st_size
            except OSError:
                continue
    return found


def tail_of_all(
    own: Path, patterns: Sequence[str], lines: int = 20, *, before: Mapping[str, int] | None = None
) -> list[str]:
    """The last lines of the service's own log since its start, then those of its further logs that tell of errors.

    `before` are the sizes that its further logs had when it was started.
    """
    found = tail(own, lines, since_start=True)
    for pattern in patterns:
        for name in sorted(glob.glob(pattern)):
            recent = tail(Path(name), 40, offset=(before or {}).get(os.path.realpath(name), 0))
            found += [f"[{Path(name).name}] {line}" for line in [*filter(alarms, recent)][-3:]]
    return found[-2 * lines :]


def last_words(own: Path, patterns: Sequence[str], base: str, *, before: Mapping[str, int] | None = None) -> LastWords:
    """Why a service has ended, as its logs tell it: a traceback with the frames of `base`, or the last complaint."""
    whole = tail(own, TRACEBACK_LINES, since_start=True)
    told = frames.explain("\n".join(whole), base)
    shown = tail_of_all(own, patterns, before=before)
    if told:
        return LastWords(told.reason, tuple(told.lines), tuple(whole))
    return LastWords(complaint(whole), tuple(shown[-frames.MOST_LINES :]), tuple(shown))


def complaint(lines: Sequence[str]) -> str:
    """The last of the last lines that says what is wrong, without its time; empty where none does."""
    found = next((line for line in reversed(lines[-20:]) if _REASON.search(line)), "")
    return _STAMP.sub("", found).strip()
