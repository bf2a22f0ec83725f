"""One fault on a cluster that is well: under load, with status watched and rows written, until all is well again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random

import psycopg
import redis

from bench.faults.blow import Blow, Struck
from bench.faults.judge import LATE_S, Row, last_bad_s, lies, rounded, shown_s
from bench.faults.target import Target
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


@dataclass(frozen=True)
class Patience:
    """How long all has to be well; how late an answer to a request may be that is well; who has not answered for
    `silent_s` does not go on."""

    calm_s: float = CALM_S
    late_s: float = LATE_S
    silent_s: float = SILENT_S


USUAL = Patience()
# Everything waits for a processor.
BUSY = Patience(late_s=10.0, silent_s=20.0)


class NotCalm(Exception):
    """It was not well before anything happened."""


@dataclass
class Trial:
    """What goes on beside one fault."""

    target: Target
    load: OpenLoop
    watch: Watch
    writers: tuple[Writer, ...]
    patience: Patience

    def until_calm(self, ended_s: float, deadline_s: float, blow: Blow | None = None) -> bool:
        """Wait until nothing was wrong for a while, and what was struck is there again; False at the deadline."""
        while time.monotonic() < deadline_s:
            time.sleep(LOOK_EVERY_S)
            now_s = time.monotonic()
            bad_s = self.last_bad_s(self.load.report(), ended_s)
            if now_s - bad_s >= self.patience.calm_s and self._goes_on(now_s) and (not blow or self._is_past(blow)):
                return True
        return False

    def last_bad_s(self, report: Report, ended_s: float) -> float:
        failed = (writer.failed_s for writer in self.writers)
        return last_bad_s(report, list(self.watch.said), failed, ended_s, self.patience.late_s)

    def _goes_on(self, now_s: float) -> bool:
        """Does everything that is asked answer?"""
        late_s, silent_s = self.patience.late_s, self.patience.silent_s
        answered = self.load.report().where(lambda one: one.done_s > now_s - late_s - LOOK_EVERY_S).requests
        said = self.watch.said[-1:]
        return (
            len(answered) > self.load.settings.rate * LOOK_EVERY_S
            and all(now_s - one.answered_s < silent_s and one.whole for one in said)
            and all(now_s - writer.acknowledged_s < silent_s for writer in self.writers)
        )

    def _is_past(self, blow: Blow) -> bool:
        try:
            return blow.is_past(self.target)
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


def carry_out(blow: Blow, target: Target, chance: Random, rate: float, patience: Patience = USUAL) -> Row:
    """All must be well for a while before and after. Raises NotCalm, and LoopFailed where the load breaks."""
    first = time.time_ns()  # numbers of writes that no earlier fault has used
    postgres, redis_ = writers(target, first)
    load = OpenLoop(Settings(target.host, target.port, rate, (SHORT,), TIMEOUT_S))
    with Watch(target) as watch, postgres, redis_, load:
        trial = Trial(target, load, watch, (postgres, redis_), patience)
        if not trial.until_calm(time.monotonic(), time.monotonic() + HEAL_S):
            raise NotCalm(f"before {blow.name}: {watch.said[-1:]}\n{load.report()}")
        if reason := blow.why_not(target):
            return Row(blow.name, blow.title, absent=True, reason=reason)
        if (strike := blow.aim(target, chance)) is None:
            return Row(blow.name, blow.title, absent=True)
        struck = strike()
        healed = trial.until_calm(struck.ended_s, struck.ended_s + HEAL_S, blow)
        stopped_s = time.monotonic()
    lost = trial.lost()
    report = load.report().since(struck.began_s).due_until(stopped_s)
    return _row(blow, trial, report, struck, lost, healed=healed)


def _row(
    blow: Blow,
    trial: Trial,
    report: Report,
    struck: Struck,
    lost: dict[str, int | None],
    *,
    healed: bool,
) -> Row:
    began_s, ended_s, exceeded = struck
    said = [one for one in trial.watch.said if one.answered_s >= began_s]
    lied = lies(report, said, began_s)
    return Row(
        fault=blow.name,
        title=blow.title,
        requests_count=len(report.requests),
        failed_count=report.failed,
        held_s=rounded(report.slowest_s),
        shown_s=rounded(shown_s(said, began_s)),
        healthy_s=rounded(trial.last_bad_s(report, ended_s) - ended_s) if healed else None,
        lies_count=len(lied),
        untrue_count=len(lies(report, said, began_s, float("inf"))),
        lied_s=rounded(lied[-1].answered_s - began_s) if lied else None,
        lost=lost,
        unwell=() if healed else said[-1].unwell,
        exceeded=exceeded,
        outcomes={str(outcome): count for outcome, count in report.outcomes.items()},
        failures=tuple(failures(report, began_s)),
    )
