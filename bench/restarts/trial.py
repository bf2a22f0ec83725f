"""One event under load: a cluster, a steady load, the event, and what became of every request."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.commands import Commands, RunFailed
from bench.measure import HOST, SERVE_PORT, all_nodes, route_answers
from bench.openloop.process import LoopFailed, OpenLoop
from bench.openloop.records import SHORT, Outcome, Settings
from bench.openloop.report import Report
from bench.restarts.code import LOADED, NEW, OLD, START_TIMEOUT, Change, write
from bench.restarts.events import Event, Words
from bench.scenarios import DEADLINE_S, Measured
from bench.systems import System
from bench.work import settle

RATE = 200.0
# The load that follows is a rest, too, for what has just been started.
REST_S = 3.0
# The first seconds of a load are those of connections that are made and caches that are filled.
WARM_S = 5.0
BEFORE_S = 10.0
# How long only the version that is to answer must have answered before the event counts as over.
AFTER_S = 5.0
# Such as `restart (redeploy) 3.1 s, 12,304 requests, 0 failed, slowest 38 ms, held 0`.
RECEIPT = re.compile(r"\d requests?, [\d,]+ failed")
# Of so many failures the results tell each one.
MOST_FAILURES = 20
# The exit codes of a command that has failed or timed out; what cannot be asked for has another.
TAKEN_BACK = (1, 3)
# From the command's return until then.
OVER_S = 90.0
# All records are gone through each time, on the processors that the cluster needs.
LOOK_EVERY_S = 0.5
COUNTS = {
    "refused_count": Outcome.REFUSED,
    "cut_count": Outcome.CUT,
    "server_error_count": Outcome.SERVER_ERROR,
    "not_found_count": Outcome.NOT_FOUND,
    "other_status_count": Outcome.OTHER_STATUS,
    "timed_out_count": Outcome.TIMED_OUT,
    "closed_count": Outcome.CLOSED,
}


def measure(event: Event, commands: Commands, workers: int) -> Measured:
    """Raises RunFailed where there is nothing to measure: no cluster, failures without an event, no new code."""
    folder = commands.folder / "app"
    folder.mkdir()
    commands.work_in(folder)
    if event.beside_up:
        commands.run("daybreak", "prewarm")
    up_s = prepare(event.system, commands, folder, event.workers or workers, event.preparation)
    try:
        with OpenLoop(Settings(HOST, SERVE_PORT, RATE)) as load:
            time.sleep(WARM_S)
            steady_s = time.monotonic()
            time.sleep(BEFORE_S)
            if event.change not in (Change.NONE, Change.BACK):
                write(folder, NEW, event.change)
            commands.allow(DEADLINE_S + OVER_S)
            began_s = time.monotonic()
            told = _happen(event, commands, event.workers or workers)
            returned_s = time.monotonic()
            over_s = _until_over(event, commands, load, returned_s)
        report = load.report()
    except LoopFailed as failed:
        raise RunFailed(str(failed)) from None
    before = report.where(lambda request: request.due_s >= steady_s).before(began_s)
    if before.failed:
        raise RunFailed(f"{before.failed} requests failed before anything happened\n{before}")
    during = report.since(began_s).due_until(over_s)
    found = values(before, during, began_s, returned_s, event.change)
    if event.beside_up and "new_code_s" in found:
        found |= {"warm_up_s": up_s, "warm_up_ratio": round(found["new_code_s"] / up_s, 3)}
    return Measured(found, commands=commands.times(began_s), details=_details(before, during, began_s, told))


def values(before: Report, during: Report, began_s: float, returned_s: float, change: Change) -> dict[str, float]:
    """By measure. Quantiles are those of short requests, the slowest answer is that of all kinds."""
    outcomes, steady, short = during.outcomes, before.of(SHORT), during.of(SHORT)
    found: dict[str, float | None] = {
        "requests_count": len(during.requests),
        "failed_count": during.failed,
        **{name: outcomes[outcome] for name, outcome in COUNTS.items()},
        "command_s": returned_s - began_s,
        "slowest_s": during.slowest_s,
        "silence_s": during.silence_s,
        "p50_before_ms": _ms(steady.quantile_s(0.5)),
        "p50_during_ms": _ms(short.quantile_s(0.5)),
        "p99_before_ms": _ms(p99_before_s := steady.quantile_s(0.99)),
        "p99_during_ms": _ms(p99_during_s := short.quantile_s(0.99)),
    }
    if p99_before_s and p99_during_s:
        found["p99_ratio"] = p99_during_s / p99_before_s
    if during.slowest_s is not None:
        found["held_ratio"] = during.slowest_s / (returned_s - began_s)
    if change in (Change.NEW, Change.BACK) and (answered_s := during.first_answer_s(change.after)):
        found["new_code_s"] = answered_s - began_s
    return {name: round(value, 3) for name, value in found.items() if value is not None}


def prepare(
    system: System,
    commands: Commands,
    folder: Path,
    workers: int,
    preparation: Sequence[Words] = (),
    start_timeout: str = START_TIMEOUT,
) -> float:
    """The cluster as it is before the load: all nodes there, the application answers, everything has come to rest.

    Returns how many seconds the start took. `preparation` are commands that run when it has answered once, with the new
    code written.
    """
    write(folder, OLD, start_timeout=start_timeout)
    began_s = time.monotonic()
    system.start(commands, workers, LOADED)
    took_s = round(time.monotonic() - began_s, 3)
    _until_up(commands, workers)
    if preparation:
        write(folder, NEW, start_timeout=start_timeout)
        for words in preparation:
            commands.run(*words)
        _until_up(commands, workers)
    settle(system, commands, REST_S)
    return took_s


def _until_up(commands: Commands, workers: int) -> None:
    with all_nodes(workers + 1, commands.daybreak_home) as joined, route_answers(SHORT.path) as answered:
        joined.wait(commands)
        answered.wait(commands)


def _happen(event: Event, commands: Commands, workers: int) -> list[str]:
    """What daybreak's receipts say. Raises RunFailed where good code is refused, or bad code is not."""
    if not event.commands:
        event.system.check()
        event.system.restart(commands, workers, LOADED)
        return []
    told = []
    for words in event.commands:
        command = commands.start(*words)
        code = commands.ended(command)
        if code not in (TAKEN_BACK if event.change.bad else (0,)):
            raise RunFailed(f"`{command.label}` ended with code {code}\n{command.tail()}")
        told += [line for line in command.output().splitlines() if RECEIPT.search(line)]
    return told


def _until_over(event: Event, commands: Commands, load: OpenLoop, returned_s: float) -> float:
    """Until for AFTER_S only the version that is to answer has answered, and nothing has failed; returns when that was.

    Where that does not come, everything counts that was due within OVER_S. Raises RunFailed where good code never
    answers.
    """
    while (now_s := time.monotonic()) < returned_s + OVER_S:
        commands.check()
        report = load.report()
        recent = report.where(lambda request: request.done_s >= max(returned_s, now_s - AFTER_S))
        calm = not recent.failed and recent.versions == {event.change.after}
        if calm and now_s >= returned_s + AFTER_S:
            return now_s
        time.sleep(LOOK_EVERY_S)
    if not event.change.bad and load.report().since(returned_s).first_answer_s(event.change.after) is None:
        raise RunFailed(f"version {event.change.after} does not answer {OVER_S:g} s after the event\n{load.report()}")
    return now_s


def _details(before: Report, during: Report, began_s: float, told: list[str]) -> dict[str, Any]:
    """By kind of requests, and the first failures."""
    return {
        "told": told,
        "latest_start_s": round(max(before.latest_start_s, during.latest_start_s), 3),
        "before": before.to_json(),
        "during": during.to_json(),
        "failures": failures(during, began_s),
    }


def failures(report: Report, began_s: float) -> list[dict[str, Any]]:
    """The first ones, each with the second after the begin at which it was due."""
    return [
        {
            "kind": one.kind,
            "due_s": round(one.due_s - began_s, 3),
            "latency_s": round(one.latency_s, 3),
            "outcome": one.outcome,
            "error": one.error,
        }
        for one in sorted(report.failures, key=lambda request: request.due_s)[:MOST_FAILURES]
    ]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
