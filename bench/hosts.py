"""Several machines: what joining, starting, restarting and losing one of them costs. They are network namespaces on the
processors of this one."""

from __future__ import annotations

import sys

from bench.machines import login, network, trials
from bench.machines.trials import MANY, STOCK_MANY
from bench.records import Goal, Limit
from bench.scenarios import Scenario, Suite
from bench.suite import main


def no_machines() -> str | None:
    return network.unavailable()


def no_logins() -> str | None:
    return network.unavailable() or login.unavailable()


SCENARIOS = (
    Scenario(
        "stock-join",
        "another machine: `ray start --address`",
        "stock-join",
        STOCK_MANY,
        trials.stock_join,
        skipped=no_machines,
    ),
    Scenario("join", "another machine: `daybreak join`", "stock-join", MANY, trials.join, skipped=no_machines),
    Scenario(
        "up-here", "`daybreak up`, all workers on one machine", "up-here", MANY, trials.up_here, skipped=no_machines
    ),
    Scenario("up-by-ssh", "`daybreak up`, hosts by SSH", "up-here", MANY, trials.up_by_ssh, skipped=no_logins),
    Scenario(
        "restart", "`daybreak restart`, a replica on each machine", "restart", MANY, trials.restart, skipped=no_logins
    ),
    Scenario("many", "a thousand hosts, made up", "many", MANY, trials.many, skipped=no_machines, rounds=1, once=True),
    Scenario("lost", "a machine is lost", "lost", MANY, trials.lost, skipped=no_logins),
)
GOALS = (
    Goal("hosts: `join`, until the node is alive", "join", "join_s", 2.5, limit=Limit.MEDIAN),
    Goal("hosts: one further worker there", "join", "further_s", 0.5, limit=Limit.MEDIAN),
    Goal(
        "hosts: `up` with prepared hosts, all nodes",
        "up-by-ssh",
        "all_nodes_s",
        1.5,
        share=True,
        whose="that on one machine",
    ),
    Goal("hosts: the keeper's memory with a thousand", "many", "keeper_bytes", 300e6, limit=Limit.MEDIAN),
    Goal("hosts: the keeper's processor time in a second with a thousand", "many", "busy_ms", 100, limit=Limit.MEDIAN),
    Goal("hosts: `plan` with a thousand", "many", "plan_s", 1.0, limit=Limit.MEDIAN),
    Goal("hosts: `restart`, requests failed or cut", "restart", "failed_count", 0, limit=Limit.WORST),
    Goal("hosts: a machine lost, requests failed or cut", "lost", "failed_count", 0, limit=Limit.WORST),
    Goal("hosts: a machine lost, until requests are answered in time", "lost", "moved_s", 2.0, limit=Limit.MEDIAN),
)

SUITE = Suite("hosts", SCENARIOS, GOALS)

if __name__ == "__main__":
    sys.exit(main(SUITE))
