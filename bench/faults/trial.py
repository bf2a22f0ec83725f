"""One fault on a cluster that is well: under load, with status watched and rows written, until all is well again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random

import psycopg
import redis

from bench.faults.fault import Fault
from bench.faults.judge import LATE_S, Row, last_bad_s, lies, rounded, shown_s
from bench.faults.target import Target
from bench.faults.victims import Victim
from bench.faults.watch import Watch
from bench.faults.writers import Writer, writers
from bench.openloop.process import OpenLoop
from bench.openloop.records import SHORT, Settings
from bench.openloop.report import Report
from bench.restarts.trial import failures
from daybreak.errors import DaybreakError

# Beyond what the gateway holds a request for.
TIMEOUT_S = 40.0
CALM_S = 4.0
# Who has not answered for so long does not go on.
SILENT_S = 4.0
HEAL_S = 180.0
LOOK_EVERY_S = 0.5


class NotCalm(Exception):
    """It was not well before anything happened."""


@dataclass
class Trial:
    """What goes on beside one fault."""

    target: Target
    load: OpenLoop
    watch: Watch
    writers: tuple[Writer, ...]
    calm_s: float

    def until_calm(self, ended_s: float, deadline_s: float, victim: Victim | None = None) -> bool:
        """Wait until nothing was wrong for `calm_s`, and there is such a victim again; False at the deadline."""
        while time.monotonic() < deadline_s:
            time.sleep(LOOK_EVERY_S)
            now_s = time.monotonic()
            bad_s = self.last_bad_s(self.load.report(), ended_s)
            if now_s - bad_s >= self.calm_s and self._goes_on(now_s) and (not victim or self._returned(victim)):
                return True
        return False

    def last_bad_s(self, report: Report, ended_s: float) -> float:
        failed = (writer.failed_s for writer in self.writers)
        return last_bad_s(report, list(self.watch.said), failed, ended_s)

    def _goes_on(self, now_s: float) -> bool:
        """Does everything that is asked answer?"""
        answered = self.load.report().where(lambda one: one.done_s > now_s - LATE_S - LOOK_EVERY_S).requests
        said = self.watch.said[-1:]
        return (
            len(answered) > self.load.settings.rate * LOOK_EVERY_S
            and all(now_s - one.answered_s < SILENT_S and one.whole for one in said)
            and all(now_s - writer.acknowledged_s < SILENT_S for writer in self.writers)
        )

    def _returned(self, victim: Victim) -> bool:
        try:
            return bool(victim.find(self.target.look()))
        except (DaybreakError, OSError, ValueError):
            return False

    def lost(self) -> dict[str, int | None]:
        """By database."""
        found: dict[str, int | None] = {}
        for writer in self.writers:
            try:
                found[writer.name] = writer.lost()
            except (OSError, psycopg.Error, redis.RedisError):
                found[writer.name] = None
        return found


def carry_out(fault: Fault, target: Target, chance: Random, rate: float, calm_s: float = CALM_S) -> Row:
    """All must be well for `calm_s` before and after. Raises NotCalm, and LoopFailed where the load breaks."""
    first = time.time_ns()  # numbers of writes that no earlier fault has used
    postgres, redis_ = writers(target, first)
    load = OpenLoop(Settings(target.host, target.port, rate, (SHORT,), TIMEOUT_S))
    with Watch(target) as watch, postgres, redis_, load:
        trial = Trial(target, load, watch, (postgres, redis_), calm_s)
        if not trial.until_calm(time.monotonic(), time.monotonic() + HEAL_S):
            raise NotCalm(f"before {fault.name}: {watch.said[-1:]}\n{load.report()}")
        look = target.look()
        groups = fault.victim.find(look)
        if not groups:
            return Row(fault.name, fault.title, absent=True)
        group = chance.choice(sorted(groups))
        began_s, ended_s = fault.strike(group)
        healed = trial.until_calm(ended_s, ended_s + HEAL_S, fault.victim if fault.victim.returns else None)
        stopped_s = time.monotonic()
    lost = trial.lost()
    report = load.report().since(began_s).due_until(stopped_s)
    return _row(fault, trial, report, began_s, ended_s, lost, healed=healed)


def _row(
    fault: Fault,
    trial: Trial,
    report: Report,
    began_s: float,
    ended_s: float,
    lost: dict[str, int | None],
    *,
    healed: bool,
) -> Row:
    said = [one for one in trial.watch.said if one.answered_s >= began_s]
    lied = lies(report, said)
    return Row(
        fault=fault.name,
        title=fault.title,
        requests_count=len(report.requests),
        failed_count=report.failed,
        held_s=rounded(report.slowest_s),
        shown_s=rounded(shown_s(said, began_s)),
        healthy_s=rounded(trial.last_bad_s(report, ended_s) - ended_s) if healed else None,
        lies_count=len(lied),
        lied_s=rounded(lied[-1].answered_s - began_s) if lied else None,
        lost=lost,
        unwell=() if healed else said[-1].unwell,
        outcomes={str(outcome): count for outcome, count in report.outcomes.items()},
        failures=tuple(failures(report, began_s)),
    )
