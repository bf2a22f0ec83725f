"""What is known of the runs of scheduled services, kept so that another keeper goes on with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from daybreak.files import read_book, write_private

# Its file in the state folder (JSON, 0600).
SCHEDULES = "schedules.json"
# Why a run has no exit code that somebody has ended on purpose.
STOPPED = "stopped before its end"


@dataclass(frozen=True)
class LastRun:
    """One run; times are seconds since 1970. `ended` is None while it goes on, `code` where nobody knows how it ended;
    `reason` says more, and alone of a run that was skipped."""

    began: float
    instance: str = ""
    ended: float | None = None
    code: int | None = None
    reason: str = ""

    @property
    def failed(self) -> bool:
        return self.ended is not None and self.code != 0 and self.reason != STOPPED

    def told(self) -> str:
        """How it ended, for people."""
        if self.ended is None:
            return "running"
        if self.code is None:
            return self.reason
        return f"exit code {self.code} after {max(0.0, self.ended - self.began):.3g} s"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Entry:
    """One scheduled service: when it is to run next, where that is known, and its last run."""

    next: float | None = None
    last: LastRun | None = None

    def to_json(self) -> dict[str, Any]:
        return {"next": self.next, "last": self.last.to_json() if self.last else None}


@dataclass
class ScheduleBook:
    """All of a cluster's, in one file."""

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> ScheduleBook:
        """What is no entry is left out."""
        found = {name: entry for name, raw in read_book(path).items() if (entry := _entry(raw))}
        return cls(path, found)

    def of(self, name: str) -> Entry:
        return self.entries.setdefault(name, Entry())

    def save(self) -> None:
        write_private(self.path, json.dumps({name: entry.to_json() for name, entry in self.entries.items()}, indent=1))


def _entry(raw: object) -> Entry | None:
    if not isinstance(raw, Mapping):
        return None
    known = {each.name for each in fields(LastRun)}
    last = raw.get("last")
    try:
        run = LastRun(**{key: last[key] for key in known & set(last)}) if last else None
        return Entry(None if raw.get("next") is None else float(raw["next"]), run)
    except (TypeError, ValueError):
        return None
