"""Timing a start from outside, and what it cost: seconds, processor time, memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.commands import Commands
from bench.measure import all_nodes, first_response
from bench.scenarios import DEADLINE_S, Measured
from bench.systems import Application, System

# After everything is ready: long enough for what is begun late or ended early, on both sides.
IDLE_S = 10.0

Go = Callable[[], None]


@dataclass(frozen=True)
class Seen:
    """What a user saw of one start, in seconds after the first command; `pid` is the replica's.

    `all_nodes_s` is when every node was there, the dashboard answered and, where there is one, the system's page.

    `cpu_s` is the processor time of the whole stack until the last of both was seen; None where it is not counted.
    """

    first_200_s: float
    all_nodes_s: float | None
    pid: int | None
    cpu_s: float | None
    commands: list[dict[str, Any]]

    @property
    def values(self) -> dict[str, float]:
        every = {"first_200_s": self.first_200_s, "all_nodes_s": self.all_nodes_s, "cpu_s": self.cpu_s}
        return {name: round(value, 3) for name, value in every.items() if value is not None}


def watched(
    go: Go,
    commands: Commands,
    nodes: int | None,
    *,
    page: bool = False,
    old_pid: int | None = None,
    deadline_s: float = DEADLINE_S,
) -> Seen:
    """Carry out `go` and see when the application answers, and when there are that many nodes (None: not timed)."""
    commands.allow(deadline_s)
    meter = commands.group.cpu_s if commands.group and nodes else None
    began, used = time.monotonic(), meter() if meter else 0.0
    with ExitStack() as watches:
        answered = watches.enter_context(first_response(old_pid, meter))
        joined = watches.enter_context(all_nodes(nodes, commands.daybreak_home, meter, page=page)) if nodes else None
        go()
        first_200_s = answered.wait(commands) - began
        all_nodes_s = joined.wait(commands) - began if joined else None
    metered = [watch.metered for watch in (answered, joined) if watch and watch.metered is not None]
    cpu_s = max(metered) - used if metered else None
    return Seen(first_200_s, all_nodes_s, answered.answer, cpu_s, commands.times(began))


def time_start(
    system: System, application: Application, commands: Commands, workers: int, deadline_s: float = DEADLINE_S
) -> Measured:
    """From nothing to everything ready, then the memory of the idle stack."""
    go = partial(system.start, commands, workers, application)
    seen = watched(go, commands, workers + 1, page=system.keeper, deadline_s=deadline_s)
    values = seen.values
    if commands.group:
        time.sleep(IDLE_S)
        values["pss_bytes"] = commands.group.pss_bytes()
    return Measured(values, commands=seen.commands)


def time_restart(system: System, application: Application, commands: Commands, workers: int) -> Measured:
    """A running cluster is restarted; its start before that is not timed."""
    before = watched(partial(system.start, commands, workers, application), commands, workers + 1)
    system.check()
    # The dashboard of the old generation would count for the new one, so a restart's nodes are not timed.
    again = watched(partial(system.restart, commands, workers, application), commands, None, old_pid=before.pid)
    return Measured(again.values, commands=again.commands)
