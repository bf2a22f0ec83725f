"""How time and memory grow with worker nodes: what one more costs, beside Ray's own command, and 1 to 32 of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial

from bench.commands import Command, Commands, RunFailed
from bench.measure import all_nodes, each_node, no_more_nodes
from bench.records import Goal
from bench.scenarios import DEADLINE_S, Measured, Scenario, Suite
from bench.straight import straight
from bench.suite import main
from bench.systems import ADDRESS, DAYBREAK, SMALL, STOCK
from bench.timing import time_start

MOST_ADDED = 8
STEPS = (1, 2, 4, 8)
SIZES = (1, 2, 4, 8, 16, 32)
# 32 nodes at once on few processors take their time where nothing is warm.
SIZE_DEADLINE_S = 600.0


def add_one_by_one(commands: Commands, _workers: int) -> Measured:
    """A head runs; then `ray start --address=...` eight times, each when the one before has returned.

    The points are (n, seconds from the first of these commands until n workers were alive).
    """
    STOCK.start(commands, 0, None)
    with all_nodes(1, commands.daybreak_home) as head:
        head.wait(commands)
    commands.allow(DEADLINE_S)
    seen: dict[int, float] = {}
    returned: list[float] = []
    began = time.monotonic()
    with each_node(MOST_ADDED + 1, commands.daybreak_home, seen) as joined:
        for _ in range(MOST_ADDED):
            returned.append(_returned_s(commands.run("ray", "start", ADDRESS)) - began)
        joined.wait(commands)
    alive = [seen[number + 1] - began for number in range(1, MOST_ADDED + 1)]
    return _measured(range(1, MOST_ADDED + 1), alive, returned, commands)


def add_by_scale(commands: Commands, _workers: int) -> Measured:
    """A head runs; then `daybreak scale N` from no worker to each of STEPS, with `scale 0` (untimed) between.

    One command brings any number, as one command each does with Ray: so the points are the same, (n, seconds from the
    command until n workers were alive).
    """
    DAYBREAK.start(commands, 0, None)
    commands.allow(DEADLINE_S)
    alive, returned = [], []
    for number in STEPS:
        with no_more_nodes(1, commands.daybreak_home) as head:
            head.wait(commands)
        began = time.monotonic()
        with all_nodes(number + 1, commands.daybreak_home) as joined:
            returned.append(_returned_s(commands.run("daybreak", "scale", str(number))) - began)
            alive.append(joined.wait(commands) - began)
        commands.run("daybreak", "scale", "0")
    return _measured(STEPS, alive, returned, commands)


def _measured(
    numbers: Sequence[int], alive: Sequence[float], returned: Sequence[float], commands: Commands
) -> Measured:
    """Both slopes; the points are those of the living nodes."""
    points = [[number, round(seconds, 3)] for number, seconds in zip(numbers, alive, strict=True)]
    values = {"per_worker_s": _slope(numbers, alive), "per_worker_returned_s": _slope(numbers, returned)}
    return Measured(values, points, commands.times(commands.began_s))


def _slope(numbers: Sequence[int], seconds: Sequence[float]) -> float:
    line = straight(list(zip(numbers, seconds, strict=True)))
    if line is None:
        raise RunFailed("too few points for a line")
    return round(line.slope, 3)


def _returned_s(command: Command) -> float:
    assert command.returned_s is not None
    return command.returned_s


def _size(number: int) -> Scenario:
    title = "1 worker node" if number == 1 else f"{number} worker nodes"
    measure = partial(time_start, DAYBREAK, SMALL, deadline_s=SIZE_DEADLINE_S)
    return Scenario(f"nodes-{number}", title, f"nodes-{number}", DAYBREAK, measure, workers=number, rounds=1)


SCENARIOS = (
    Scenario("stock-workers", "one more worker: `ray start --address`", "stock-workers", STOCK, add_one_by_one),
    Scenario("daybreak-workers", "one more worker: `daybreak scale`", "stock-workers", DAYBREAK, add_by_scale),
    *(_size(number) for number in SIZES),
)

GOALS = (Goal("one more worker", "daybreak-workers", "per_worker_s", 8.0),)

SUITE = Suite("scale", SCENARIOS, GOALS)

if __name__ == "__main__":
    sys.exit(main(SUITE))
