"""One run of one scenario: prepare, time, stop. A failed run is a sample too."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.commands import Commands, RunFailed
from bench.measure import all_nodes, first_response
from bench.quiet import load_when_idle, require_one_stock_cluster
from bench.results import Sample
from bench.scenarios import STOP_S, Action, Scenario

DEADLINE_S = 180.0


@dataclass(frozen=True)
class Seen:
    """What a user saw of one start, in seconds after the first command; `pid` is the replica's."""

    first_200_s: float
    all_nodes_s: float | None
    pid: int | None
    commands: list[dict[str, Any]]


def run_once(scenario: Scenario, workers: int, round_number: int) -> Sample:
    """Carry out one run; its scratch folder is kept where it failed. The cluster is stopped, whatever happens."""
    load_1min, cpu_busy = load_when_idle()
    # A short path: Unix sockets lie below it.
    folder = Path(tempfile.mkdtemp(prefix="b", dir="/tmp"))
    commands = Commands(folder)
    began_at = datetime.now(UTC).isoformat(timespec="seconds")
    seen: Seen | None = None
    error = None
    try:
        seen = _timed(scenario, commands, workers)
    except RunFailed as failed:
        error = f"{failed}\n(logs: {folder})"
    finally:
        _stop(scenario, commands, workers)
    if not error:
        shutil.rmtree(folder, ignore_errors=True)
    return Sample(
        scenario=scenario.name,
        round=round_number,
        began_at=began_at,
        first_200_s=round(seen.first_200_s, 3) if seen else None,
        all_nodes_s=round(seen.all_nodes_s, 3) if seen and seen.all_nodes_s is not None else None,
        error=error,
        load_1min=round(load_1min, 2),
        cpu_busy=round(cpu_busy, 3),
        commands=seen.commands if seen else [],
    )


def _timed(scenario: Scenario, commands: Commands, workers: int) -> Seen:
    if scenario.prepare is None:
        return _watched(scenario.go, commands, workers)
    before = _watched(scenario.prepare, commands, workers)
    if scenario.name.startswith("stock"):
        require_one_stock_cluster()
    # The dashboard of the old generation would count for the new one, so a restart's nodes are not timed.
    return _watched(scenario.go, commands, workers, old_pid=before.pid, nodes=False)


def _watched(go: Action, commands: Commands, workers: int, *, old_pid: int | None = None, nodes: bool = True) -> Seen:
    commands.allow(DEADLINE_S)
    began = time.monotonic()
    with ExitStack() as watches:
        answered = watches.enter_context(first_response(old_pid))
        joined = watches.enter_context(all_nodes(workers + 1, commands.daybreak_home)) if nodes else None
        go(commands, workers)
        first_200_s = answered.wait(commands) - began
        all_nodes_s = joined.wait(commands) - began if joined else None
    return Seen(first_200_s, all_nodes_s, answered.answer, commands.times(began))


def _stop(scenario: Scenario, commands: Commands, workers: int) -> None:
    """What is still there afterwards stops the next run from beginning, so a failure here is only told."""
    commands.allow(STOP_S)
    try:
        scenario.stop(commands, workers)
    except RunFailed as failed:
        print(f"stopping {scenario.name}: {failed}", file=sys.stderr)
    finally:
        commands.kill_rest()
