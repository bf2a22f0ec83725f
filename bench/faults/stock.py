"""The first row beside what keeps stock Ray alive: each part killed, under the same load, until all is as before."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

from bench.commands import RunFailed
from bench.compose import APP_IMAGE, absent
from bench.faults.containers import Containers
from bench.faults.fault import Fault, How
from bench.faults.judge import last_bad_s, rounded
from bench.faults.target import Look
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


class Alive(Protocol):
    """Stock Ray that something keeps alive: it answers at `port`."""

    port: int

    def look(self) -> Look: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Keeping:
    """What keeps it alive. `make` starts it, with a folder that it makes and what is added to its ports; `absent` says
    what is missing here."""

    name: str
    title: str
    make: Callable[[Path, int], Alive]
    absent: Callable[[], str | None] = lambda: None


def _no_containers() -> str | None:
    missing = absent(APP_IMAGE)
    return f"this machine has no {' and no '.join(missing)}" if missing else None


UNITS = Keeping("stock", "stock Ray, `Restart=always`", Units)
COMPOSE = Keeping("compose", "Compose, `restart: always`", Containers, _no_containers)
KEEPING = (UNITS, COMPOSE)


@dataclass(frozen=True)
class Stock:
    """One kill."""

    victim: Victim
    keeping: Keeping

    @property
    def name(self) -> str:
        return f"{self.keeping.name}-kill-{self.victim.name}"

    @property
    def title(self) -> str:
        return f"kill -9: {self.victim.title}"

    @property
    def beside(self) -> str:
        """The row of daybreak's that is the same."""
        return f"kill-{self.victim.name}"


STOCK = {keeping: tuple(Stock(victim, keeping) for victim in VICTIMS if victim.name in THERE) for keeping in KEEPING}


class StockStand:
    """What kills follow one another on; a new one where it did not heal, and for what keeps it alive otherwise."""

    def __init__(self, rate: float, seed: int, offset: int, patience: Patience) -> None:
        self._patience = patience
        self._rate = rate
        self._chance = Random(seed)
        self._offset = offset
        self._keeping: Keeping | None = None
        self._alive: Alive | None = None
        self._folder: Path | None = None

    def has(self, line: Stock) -> bool:
        """Does it run already?"""
        return self._keeping is line.keeping

    def row(self, line: Stock) -> dict[str, Any]:
        """What it costs. Raises RunFailed where nothing comes up, or the load broke."""
        if self._alive is None or not self.has(line):
            self.close()
            self._folder = Path(tempfile.mkdtemp(prefix="bu", dir="/tmp"))
            self._alive, self._keeping = line.keeping.make(self._folder / "u", self._offset), line.keeping
        try:
            found = self._strike(line, self._alive)
        except LoopFailed as failed:
            raise RunFailed(str(failed)) from None
        if found["healthy_s"] is None:
            self.close()
        return found

    def close(self) -> None:
        alive, self._alive, self._keeping = self._alive, None, None
        try:
            if alive:
                alive.close()
        finally:
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _strike(self, line: Stock, alive: Alive) -> dict[str, Any]:
        with OpenLoop(Settings(HOST, alive.port, self._rate, (SHORT,), TIMEOUT_S)) as load:
            before = Calm(load, alive, line.victim, self._patience)
            if not before.until(time.monotonic(), START_S):
                raise RunFailed(f"before {line.name} it was not well: {load.report()}")
            groups = sorted(line.victim.find(alive.look()))
            group: Group = self._chance.choice(groups)
            began_s, ended_s = Fault(line.victim, How.KILL).strike(group)
            after = Calm(load, alive, line.victim, self._patience, wanted=len(groups))
            healed = after.until(ended_s, HEAL_S)
            stopped_s = time.monotonic()
        report = load.report().since(began_s).due_until(stopped_s)
        return {
            "requests_count": len(report.requests),
            "failed_count": report.failed,
            "held_s": rounded(report.slowest_s),
            "healthy_s": rounded(after.bad_s(report, ended_s) - ended_s) if healed else None,
            "outcomes": {str(outcome): count for outcome, count in report.outcomes.items()},
        }


@dataclass
class Calm:
    """Whether requests are answered as before, and as many of what is killed are there as before: `wanted`."""

    load: OpenLoop
    alive: Alive
    victim: Victim
    patience: Patience
    wanted: int = 1
    # When there were fewer.
    _missing_s: float = 0.0

    def until(self, since_s: float, patience_s: float) -> bool:
        """Wait for it to have been so for a while; False where it is not in time."""
        while time.monotonic() < since_s + patience_s:
            time.sleep(LOOK_EVERY_S)
            now_s = time.monotonic()
            if len(self.victim.find(self.alive.look())) < self.wanted:
                self._missing_s = now_s
            report = self.load.report()
            answered = [one for one in report.requests if one.done_s > now_s - self.patience.late_s - LOOK_EVERY_S]
            flows = len(answered) > self.load.settings.rate * LOOK_EVERY_S
            if flows and now_s - self.bad_s(report, since_s) >= self.patience.calm_s:
                return True
        return False

    def bad_s(self, report: Report, since_s: float) -> float:
        """The last moment at which it was not so."""
        return last_bad_s(report, (), (self._missing_s,), since_s, self.patience.late_s)
