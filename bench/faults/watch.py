"""What `daybreak status --json` says, all the time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bench.commands import RunFailed
from bench.faults.beside import Beside
from bench.faults.target import Target
from daybreak.errors import DaybreakError

EVERY_S = 0.25
READY, DEGRADED = "ready", "degraded"
# daybreak remembers for minutes that replicas have ended: after some faults that is no news.
REMEMBERED = "replicas have ended within"
# Of a status that nobody could tell.
SILENT = "no answer"


@dataclass(frozen=True)
class Said:
    """One answer: when it was asked for, when it was there (monotonic seconds), the cluster's word, what is not well, a
    service each, and how many replicas are missing."""

    asked_s: float
    answered_s: float
    state: str
    unwell: tuple[str, ...] = ()
    missing: int = 0

    @property
    def whole(self) -> bool:
        """Is all ready, and has Serve the replicas that it is to have?"""
        return self.state in (READY, DEGRADED) and not self.unwell and not self.missing


class Watch(Beside):
    """Asks for as long as the `with` block lasts."""

    def __init__(self, target: Target) -> None:
        self.said: list[Said] = []
        self._target = target
        super().__init__()

    def go_on(self) -> None:
        while not self.over.is_set():
            self.said.append(self._ask())
            self.over.wait(EVERY_S)

    def _ask(self) -> Said:
        asked_s = time.monotonic()
        try:
            status = self._target.status()
        except (DaybreakError, RunFailed, OSError, AssertionError) as error:
            return Said(asked_s, time.monotonic(), SILENT, (str(error).splitlines()[0],))
        return Said(asked_s, time.monotonic(), status["state"], _unwell(status), _missing(status))


def _unwell(status: dict[str, Any]) -> tuple[str, ...]:
    fine = {("ready", "healthy"), ("ready", ""), ("completed", "healthy"), ("completed", "")}
    return tuple(
        f"{row['name']} is {row['state']} {row['health']}: {row['reason']}".strip(": ")
        for row in status["services"]
        if (row["state"], row["health"]) not in fine and REMEMBERED not in row["reason"]
    )


def _missing(status: dict[str, Any]) -> int:
    """How many replicas are to be there and do not run."""
    serving = status.get("serving") or {}
    return sum(
        max(0, deployment["wanted"] - deployment["running"])
        for application in serving.get("applications") or ()
        for deployment in application["deployments"]
    )
