"""How long starting and restarting takes, and what it costs: daybreak and Ray's own commands in turn."""

from __future__ import annotations

import sys
from functools import partial

from bench.quiet import PORTS
from bench.records import Goal
from bench.scenarios import Scenario, Suite
from bench.suite import main
from bench.systems import DAYBREAK, STOCK, TRIVIAL, TUNED, agent_ports
from bench.timing import time_restart, time_start

WORKERS = 3

SCENARIOS = (
    Scenario("stock", "Ray's commands, one after another", "stock", STOCK, partial(time_start, STOCK, TRIVIAL)),
    Scenario(
        "stock-parallel",
        "Ray's commands, tuned by hand and in parallel",
        "stock",
        TUNED,
        partial(time_start, TUNED, TRIVIAL),
    ),
    Scenario("daybreak", "`daybreak up`, cold", "stock", DAYBREAK, partial(time_start, DAYBREAK, TRIVIAL)),
    Scenario(
        "stock-restart",
        "restart: `ray stop -f`, then as above",
        "stock-restart",
        STOCK,
        partial(time_restart, STOCK, TRIVIAL),
    ),
    Scenario(
        "daybreak-restart",
        "restart: `daybreak restart --in-place`",
        "stock-restart",
        DAYBREAK,
        partial(time_restart, DAYBREAK, TRIVIAL),
    ),
)

GOALS = (
    Goal("cold start, first HTTP 200", "daybreak", "first_200_s", 6.0),
    Goal("cold start, all nodes, the dashboard and the page", "daybreak", "all_nodes_s", 4.5),
    Goal("restart in place, first HTTP 200", "daybreak-restart", "first_200_s", 9.0),
    Goal("processor time of a cold start", "daybreak", "cpu_s", 0.4, share=True),
    Goal("memory of the idle stack", "daybreak", "pss_bytes", 0.65, share=True),
)


def ports(workers: int) -> tuple[int, ...]:
    """Every port that must be free: the usual ones, and those that the tuned commands give."""
    flags = [flag for node in range(workers + 1) for flag in agent_ports(node)]
    return (*PORTS, *(int(flag.rpartition("=")[2]) for flag in flags))


SUITE = Suite("startup", SCENARIOS, GOALS, ports=ports(WORKERS))

if __name__ == "__main__":
    sys.exit(main(SUITE))
