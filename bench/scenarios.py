"""What a scenario is, and what a suite of them is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.commands import Commands
from bench.quiet import PORTS
from bench.records import Goal, Line
from bench.systems import System

DEADLINE_S = 180.0
RAY_PROGRAMS = ("ray", "serve", "daybreak")


@dataclass(frozen=True)
class Measured:
    """What one run found; see `bench.records.Sample`."""

    values: dict[str, float]
    points: list[list[float]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """One line of a comparison.

    `measure` brings up what it needs with a number of workers and returns what it measured; the system's `stop` takes
    everything down afterwards. `baseline` is the scenario that this one is compared with. `workers` and `rounds` where
    they are not the suite's; `once` where one run is long enough to be trusted; `timed` unless it measures no time, and
    need not wait until the machine is idle. `skipped` says why it cannot be
    measured here, if so; it is asked once.
    """

    name: str
    title: str
    baseline: str
    system: System
    measure: Callable[[Commands, int], Measured]
    workers: int | None = None
    rounds: int | None = None
    skipped: Callable[[], str | None] = lambda: None
    once: bool = False
    timed: bool = True

    @property
    def line(self) -> Line:
        return Line(self.name, self.title, self.baseline, self.workers, once=self.once)


@dataclass(frozen=True)
class Suite:
    """Scenarios that are measured in turn into one file; who reads their list knows them all.

    `programs` and `modules` must be there, and what `absent` looks for; `ports` must be free.
    """

    name: str
    scenarios: tuple[Scenario, ...]
    goals: tuple[Goal, ...]
    rounds: int = 5
    workers: int = 3
    programs: tuple[str, ...] = RAY_PROGRAMS
    modules: tuple[str, ...] = ()
    ports: tuple[int, ...] = PORTS
    absent: Callable[[], list[str]] = list

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(scenario.name for scenario in self.scenarios)

    def scenario(self, name: str) -> Scenario:
        return next(scenario for scenario in self.scenarios if scenario.name == name)
