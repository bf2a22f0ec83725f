"""One restart after the other under load, each with other code, and a look at what the cluster holds after each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.commands import Commands, RunFailed
from bench.enduring.growth import HELD, Holdings, growth, parts
from bench.enduring.holdings import look
from bench.measure import HOST, SERVE_PORT
from bench.openloop.process import LoopFailed, OpenLoop
from bench.openloop.records import Settings
from bench.restarts.code import NEW, OLD, write
from bench.restarts.events import Way, Words, unknown
from bench.restarts.trial import COUNTS, WARM_S, failures, prepare
from bench.scenarios import Measured
from bench.systems import DAYBREAK

RATE = 50.0
# For each restart, until its code alone answers.
RESTART_S = 600.0
# No code is bad, and no time is measured: a busy machine may take longer.
START_TIMEOUT = "300s"
# So long only the new code must have answered before the cluster is looked at.
REST_S = 2.0
LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class Step:
    """A command of daybreak that changes what answers. `writes` says whether the folder gets other code before it,
    `turns` whether other code answers after it."""

    words: Words
    needs: Words
    writes: bool = True
    turns: bool = True


STEPS = (
    *(Step(("restart", way.option), ("restart", way.option)) for way in Way),
    Step(("rollback",), ("rollback",), writes=False),
    Step(("restart", "worker-1"), ("restart",), writes=False, turns=False),
)


def known() -> tuple[Step, ...]:
    """Those that this daybreak can be asked for."""
    return tuple(step for step in STEPS if not unknown(*step.needs))


def measure(count: int, commands: Commands, workers: int) -> Measured:
    """`count` steps in turn. Raises RunFailed where a restart fails, or its code does not come."""
    folder = commands.folder / "app"
    folder.mkdir()
    commands.work_in(folder)
    prepare(DAYBREAK, commands, folder, workers, start_timeout=START_TIMEOUT)
    began_s = time.monotonic()
    try:
        with OpenLoop(Settings(HOST, SERVE_PORT, RATE)) as load:
            time.sleep(WARM_S)
            looks, steps = _steps(count, commands, folder, load, began_s)
        report = load.report()
    except LoopFailed as failed:
        raise RunFailed(str(failed)) from None
    outcomes = report.outcomes
    values: dict[str, float] = {
        "restarts_count": count,
        "requests_count": len(report.requests),
        "failed_count": report.failed,
        **{name: outcomes[outcome] for name, outcome in COUNTS.items()},
        **growth(looks),
    }
    details = {
        "steps": steps,
        "parts": {held.key: parts(looks, held.key) for held in HELD},
        "looks": looks,
        "failures": failures(report, began_s),
    }
    return Measured(values, details=details)


def _steps(
    count: int, commands: Commands, folder: Path, load: OpenLoop, begin_s: float
) -> tuple[Sequence[Holdings], Sequence[tuple[str, float, float]]]:
    """What was held after each one, and each command with the seconds after the begin at which it began and returned:
    who looks for what a failed request met finds it there."""
    looks, steps, version = [], [], OLD
    for step in (known() * count)[:count]:
        if step.turns:
            version = NEW if version == OLD else OLD
        if step.writes:
            write(folder, version, start_timeout=START_TIMEOUT)
        commands.allow(RESTART_S)
        command = commands.run("daybreak", *step.words)
        returned_s = command.returned_s or time.monotonic()
        steps.append((command.label, round(command.began_s - begin_s, 3), round(returned_s - begin_s, 3)))
        _until_alone(version, commands, load, returned_s)
        looks.append(look(commands))
    return looks, steps


def _until_alone(version: str, commands: Commands, load: OpenLoop, since_s: float) -> None:
    """Raises RunFailed where other code still answers at the deadline."""
    while True:
        commands.check()
        now_s = time.monotonic()
        answered = load.report().since(max(since_s, now_s - REST_S)).versions
        if answered == {version} and now_s >= since_s + REST_S:
            return
        time.sleep(LOOK_EVERY_S)
