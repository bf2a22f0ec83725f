"""One run of one scenario: measure, stop, look that nothing is left. A failed run is a sample too."""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.commands import Commands, RunFailed
from bench.group import Group
from bench.machine import cores, loop_s
from bench.quiet import PATIENCE_S, when_idle
from bench.records import Sample
from bench.scenarios import DEADLINE_S, Measured, Scenario

STOP_S = 60.0


def run_once(scenario: Scenario, workers: int, round_number: int, *, idle: bool = True) -> Sample:
    """Carry out one run; its scratch folder is kept where it failed. The cluster is stopped, whatever happens.

    Raises NotQuiet, and measures nothing, where something else uses the machine; not so without `idle`, and
    where no time is measured.
    """
    load_1min, cpu_busy = when_idle(cores(), patience_s=PATIENCE_S if idle and scenario.timed else None)
    speed_s = loop_s()
    # A short path: Unix sockets lie below it.
    folder = Path(tempfile.mkdtemp(prefix="b", dir="/tmp"))
    commands = Commands(folder, Group.create())
    began_at = datetime.now(UTC).isoformat(timespec="seconds")
    measured = Measured({})
    error = None
    left: list[str] = []
    try:
        commands.allow(DEADLINE_S)
        measured = scenario.measure(commands, scenario.workers or workers)
    except RunFailed as failed:
        error = f"{failed}\n(logs: {folder})"
    except BaseException:
        # What is under way would go on beside the end, and make anew what that has just removed.
        commands.interrupt_rest()
        raise
    finally:
        left = _stop(scenario, commands)
    if not error:
        shutil.rmtree(folder, ignore_errors=True)
    return Sample(
        scenario=scenario.name,
        round=round_number,
        began_at=began_at,
        values=measured.values,
        error=error,
        load_1min=round(load_1min, 2),
        cpu_busy=round(cpu_busy, 3),
        loop_s=round(speed_s, 4),
        points=measured.points,
        commands=measured.commands,
        left=left,
        details=measured.details,
    )


def _stop(scenario: Scenario, commands: Commands) -> list[str]:
    """Returns what did not end and was killed. That the end failed is only told: the next run waits for it anyway."""
    commands.allow(STOP_S)
    left: list[str] = []
    try:
        scenario.system.stop(commands)
    except RunFailed as failed:
        print(f"stopping {scenario.name}: {failed}", file=sys.stderr)
    finally:
        commands.kill_rest()
        if commands.group:
            left = commands.group.close()
    return left
