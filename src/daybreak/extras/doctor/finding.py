"""What a diagnosis says: how bad it is, what was found, why it matters, and the commands that mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daybreak.extras.doctor.case import Case

DEADLINE_S = 2.0


class Severity(IntEnum):
    """NOTE is worth knowing, WARNING makes something slow or unsafe, ERROR keeps something from working."""

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `mend` holds shell commands; a line that begins with `#` says what to change by hand.

    `lines` are further lines, such as those of a log.
    """

    severity: Severity
    found: str
    why: str = ""
    mend: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "severity": str(self.severity),
            "found": self.found,
            "why": self.why,
            "mend": list(self.mend),
            "lines": list(self.lines),
        }


@dataclass(frozen=True)
class Diagnosis:
    """One diagnosis: `about` says what it looks at, `look` does it, and may raise whatever keeps it from looking."""

    name: str
    about: str
    look: Callable[[Case], Iterable[Finding]]
    deadline_s: float = DEADLINE_S


def ok(found: str) -> Finding:
    """Nothing to mend; `found` is what was looked at."""
    return Finding(Severity.OK, found)


def note(found: str, why: str, *mend: str) -> Finding:
    """Worth knowing."""
    return Finding(Severity.NOTE, found, why, mend)


def warning(found: str, why: str, *mend: str, lines: Iterable[str] = ()) -> Finding:
    """Slow or unsafe."""
    return Finding(Severity.WARNING, found, why, mend, tuple(lines))


def error(found: str, why: str, *mend: str, lines: Iterable[str] = ()) -> Finding:
    """Does not work."""
    return Finding(Severity.ERROR, found, why, mend, tuple(lines))
