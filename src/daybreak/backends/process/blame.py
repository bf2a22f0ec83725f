"""Which process of a Ray node ended first, as `ray start --block`, or what stands in for it, has written into the log.

When one has ended the others are killed at once: whose end is noticed first is chance.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

LAST_BYTES = 32 * 1024
START = b" daybreak: starting "
# Written by programs/node/watch.py, and by Ray's own command above the last lines of the process's files.
_SAID = (
    re.compile(r"exited unexpectedly: (?P<name>\w+) \(pid (?P<pid>\d+)\) by (?:exit code|signal) (?P<code>-?\d+)"),
    re.compile(r"BEGIN (?P<name>\w+)\.(?:err|out) tail \(exit code\(s\)=(?P<code>-?\d+)"),
)


def first_to_end(log: Path) -> str:
    """Such as `raylet process (pid 7, killed by SIGKILL)`; empty where the log does not say, or not since the start."""
    text = _since_start(log)
    for pattern in _SAID:
        if found := pattern.search(text):
            known = found.groupdict()
            code = int(known["code"])
            killed = code < 0 or f"by signal {code}" in found[0]
            how = f"killed by {_name(abs(code))}" if killed else f"exit code {code}"
            place = f"pid {known['pid']}, " if known.get("pid") else ""
            return f"{known['name']} process ({place}{how})"
    return ""


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _since_start(log: Path) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
            text = file.read()
    except OSError:
        return ""
    return text[max(0, text.rfind(START)) :].decode(errors="replace")
