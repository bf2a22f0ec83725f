"""What a running cluster does: tasks, actors, a new replica, requests. Every run begins with a fresh cluster."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bench.commands import APP_FOLDER, Commands, RunFailed
from bench.load import Load, parse
from bench.measure import HOST, SERVE_PORT, all_nodes, deploy, first_response, replicas
from bench.records import Goal
from bench.scenarios import DEADLINE_S, RAY_PROGRAMS, Measured, Scenario, Suite
from bench.suite import main
from bench.systems import (
    DAYBREAK,
    DAYBREAK_TWO_CPUS,
    HEAVY,
    STOCK_ONE_CPU,
    STOCK_TWO_CPUS,
    TRIVIAL,
    Application,
    System,
)

WRK = shutil.which("wrk") or "wrk"
DRIVERS = Path(__file__).resolve().parent / "drivers"
# Untimed, before anything is asked of the cluster: what is begun after a start has ended by then, and daybreak's
# template has learned what a running replica has imported.
SETTLE_S = 15.0
WARM_UP_S = 5
LOAD_S = 10


def up(system: System, application: Application | None, commands: Commands, workers: int) -> None:
    """Bring a cluster up, untimed, until every node is there and the application, if any, answers."""
    system.start(commands, workers, application)
    with all_nodes(workers + 1, commands.daybreak_home) as joined:
        joined.wait(commands)
    if application:
        with first_response() as answered:
            answered.wait(commands)


def settle(system: System, commands: Commands, for_s: float = SETTLE_S) -> None:
    """Leave the cluster alone for a while, the same on both sides; one with a keeper must call itself ready then."""
    time.sleep(for_s)
    if system.keeper:
        status = json.loads(commands.run("daybreak", "status", "--json").output())
        if status["state"] != "ready":
            raise RunFailed(f"the cluster is {status['state']} after {for_s:g} s")
    commands.allow(DEADLINE_S)


def drive(system: System, commands: Commands, workers: int, *, program: str, measure: str) -> Measured:
    """Run one of the drivers on a fresh cluster; it times itself, from its first call to its last result."""
    up(system, None, commands, workers)
    settle(system, commands)
    out = commands.folder / f"{program}.json"
    commands.run(*system.driver, "python", str(DRIVERS / program), str(out))
    found: dict[str, float] = json.loads(out.read_text())
    return Measured({measure: round(found["took_s"], 3)}, commands=commands.times(commands.began_s))


def add_replica(system: System, commands: Commands, workers: int) -> Measured:
    """From one replica to two, through Serve's REST API: from the request until Serve shows both as RUNNING."""
    up(system, HEAVY, commands, workers)
    with replicas(1, commands.daybreak_home) as first:
        first.wait(commands)
    settle(system, commands)
    config = with_replicas(yaml.safe_load((APP_FOLDER / HEAVY.serve_run).read_text()), 2)
    began = time.monotonic()
    with replicas(2, commands.daybreak_home) as second:
        deploy(config, commands.daybreak_home)
        took_s = second.wait(commands) - began
    return Measured({"replica_s": round(took_s, 3)})


def serve(system: System, commands: Commands, workers: int) -> Measured:
    """Requests through the public port, after a warm-up."""
    up(system, TRIVIAL, commands, workers)
    settle(system, commands)
    _load(commands, WARM_UP_S)
    found = _load(commands, LOAD_S)
    if found.errors:
        raise RunFailed(f"{found.errors} requests failed")
    return Measured(found.values, commands=commands.times(commands.began_s))


def with_replicas(config: dict[str, Any], number: int) -> dict[str, Any]:
    """The Serve config with another number of replicas of every deployment, and nothing else changed."""
    changed = [
        {**app, "deployments": [{**each, "num_replicas": number} for each in app["deployments"]]}
        for app in config["applications"]
    ]
    return {**config, "applications": changed}


def _load(commands: Commands, seconds: int) -> Load:
    url = f"http://{HOST}:{SERVE_PORT}/"
    return parse(commands.run(WRK, "-t2", "-c16", f"-d{seconds}s", "--latency", url).output())


def _pair(
    name: str,
    title: str,
    measure: Callable[[System, Commands, int], Measured],
    stock: System = STOCK_ONE_CPU,
    daybreak: System = DAYBREAK,
) -> tuple[Scenario, Scenario]:
    """The same on both sides; `measure` takes the system first."""
    return (
        Scenario(f"stock-{name}", title, f"stock-{name}", stock, partial(measure, stock)),
        Scenario(f"daybreak-{name}", title, f"stock-{name}", daybreak, partial(measure, daybreak)),
    )


TWO_CPUS = (STOCK_TWO_CPUS, DAYBREAK_TWO_CPUS)

SCENARIOS = (
    *_pair("replica", "one more replica of an application with pandas and scikit-learn", add_replica),
    *_pair(
        "tasks",
        "3,000 tiny tasks with num_cpus=0.05, each with a draw from random, uuid and numpy, on a fresh cluster",
        partial(drive, program="tasks.py", measure="tasks_s"),
        *TWO_CPUS,
    ),
    *_pair(
        "actors",
        "24 actors created and called once on a fresh cluster",
        partial(drive, program="actors.py", measure="actors_s"),
        *TWO_CPUS,
    ),
    *_pair("requests", "requests to a trivial FastAPI route, 16 connections", serve),
)

GOALS = (
    Goal("one more replica with pandas and scikit-learn", "daybreak-replica", "replica_s", 3.0),
    Goal("3,000 tiny tasks on a fresh cluster", "daybreak-tasks", "tasks_s", 3.5),
    Goal("24 actors on a fresh cluster", "daybreak-actors", "actors_s", 2.5),
    Goal("requests per second", "daybreak-requests", "requests_per_s", 5.0),
    Goal("99th percentile of latency", "daybreak-requests", "p99_ms", 1.0, share=True),
)

SUITE = Suite("work", SCENARIOS, GOALS, programs=(*RAY_PROGRAMS, WRK), modules=("pandas", "sklearn"))

if __name__ == "__main__":
    sys.exit(main(SUITE))
