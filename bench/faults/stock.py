"""The first row beside stock Ray: each part of it killed, under the same load, until all is answered as before."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bench.commands import RunFailed
from bench.faults.fault import Fault, How
from bench.faults.judge import last_bad_s, rounded
from bench.faults.trial import HEAL_S, LOOK_EVERY_S, TIMEOUT_S, Patience
from bench.faults.units import Units
from bench.faults.victims import VICTIMS, Group, Victim
from bench.measure import HOST
from bench.openloop.process import LoopFailed, OpenLoop
from bench.openloop.records import SHORT, Settings
from bench.openloop.report import Report

START_S = 180.0
# Without a program of ours that works beside, and without what stock Ray does not have.
THERE = (
    "replica",
    "worker-raylet",
    "gcs",
    "head-raylet",
    "head",
    "controller",
    "proxy",
    "dashboard",
    "agent",
    "runtime-agent",
    "head-agent",
    "log-monitor",
)


@dataclass(frozen=True)
class Stock:
    """One kill."""

    victim: Victim

    @property
    def name(self) -> str:
        return f"stock-kill-{self.victim.name}"

    @property
    def title(self) -> str:
        return f"kill -9: {self.victim.title}"

    @property
    def beside(self) -> str:
        """The row of daybreak's that is the same."""
        return f"kill-{self.victim.name}"


STOCK = tuple(Stock(victim) for victim in VICTIMS if victim.name in THERE)


class StockStand:
    """The units on which kills follow one another; new ones where one did not heal."""

    def __init__(self, rate: float, seed: int, offset: int, patience: Patience) -> None:
        self._patience = patience
        self._rate = rate
        self._chance = Random(seed)
        self._offset = offset
        self._units: Units | None = None
        self._folder: Path | None = None

    @property
    def is_there(self) -> bool:
        return self._units is not None

    def row(self, line: Stock) -> dict[str, Any]:
        """What it costs. Raises RunFailed where the units do not come up, or the load broke."""
        if self._units is None:
            self._folder = Path(tempfile.mkdtemp(prefix="bu", dir="/tmp"))
            self._units = Units(self._folder / "u", self._offset)
        try:
            found = self._strike(line, self._units)
        except LoopFailed as failed:
            raise RunFailed(str(failed)) from None
        if found["healthy_s"] is None:
            self.close()
        return found

    def close(self) -> None:
        if self._units:
            self._units.close()
            self._units = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _strike(self, line: Stock, units: Units) -> dict[str, Any]:
        with OpenLoop(Settings(HOST, units.port, self._rate, (SHORT,), TIMEOUT_S)) as load:
            if not self._until_well(load, units, line.victim, time.monotonic(), START_S):
                raise RunFailed(f"before {line.name} it was not well: {load.report()}")
            group: Group = self._chance.choice(sorted(line.victim.find(units.look())))
            began_s, ended_s = Fault(line.victim, How.KILL).strike(group)
            healed = self._until_well(load, units, line.victim, ended_s, HEAL_S)
            stopped_s = time.monotonic()
        report = load.report().since(began_s).due_until(stopped_s)
        return {
            "requests_count": len(report.requests),
            "failed_count": report.failed,
            "held_s": rounded(report.slowest_s),
            "healthy_s": rounded(self._last_bad_s(report, ended_s) - ended_s) if healed else None,
            "outcomes": {str(outcome): count for outcome, count in report.outcomes.items()},
        }

    def _until_well(self, load: OpenLoop, units: Units, victim: Victim, since_s: float, patience_s: float) -> bool:
        """Until requests were answered as before for a while, and what was killed is there again."""
        while time.monotonic() < since_s + patience_s:
            time.sleep(LOOK_EVERY_S)
            now_s = time.monotonic()
            report = load.report()
            bad_s, patience = self._last_bad_s(report, since_s), self._patience
            answered = [one for one in report.requests if one.done_s > now_s - patience.late_s - LOOK_EVERY_S]
            flows = len(answered) > self._rate * LOOK_EVERY_S
            if flows and now_s - bad_s >= patience.calm_s and victim.find(units.look()):
                return True
        return False

    def _last_bad_s(self, report: Report, since_s: float) -> float:
        return last_bad_s(report, (), (), since_s, self._patience.late_s)
