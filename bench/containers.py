"""Containers: daybreak's Docker backend beside the same containers by Compose, and beside daybreak's own processes."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from functools import partial

from bench.commands import APP_FOLDER, Commands
from bench.compose import APP_IMAGE, absent, compose
from bench.measure import first_response
from bench.records import Goal
from bench.scenarios import DEADLINE_S, Measured, Scenario, Suite
from bench.suite import main
from bench.systems import DAYBREAK, Application, System
from bench.timing import time_restart, time_start

IMAGES = (APP_IMAGE, "postgres:15", "redis:7")
FILE = str(APP_FOLDER / "compose" / "compose.yaml")
# What a restart replaces; databases stay.
NODES = ("head", "worker")
PROCESSES = Application("app:main", ("--file", "databases.yaml"))
CONTAINERS = Application("app:main", ("--file", "containers.yaml"))


def compose_start(commands: Commands, workers: int, _application: Application | None) -> None:
    commands.run(*compose(FILE), "up", "--detach", "--scale", f"worker={workers}")


def compose_restart(commands: Commands, workers: int, application: Application | None) -> None:
    """The databases stay; the application is deployed again when the nodes are healthy."""
    commands.run(*compose(FILE), "restart", *NODES)
    compose_start(commands, workers, application)


def time_compose_restart(commands: Commands, workers: int) -> Measured:
    """Workers end before the head does, and Serve moves replicas meanwhile: only what answers afterwards is new."""
    start(COMPOSE, CONTAINERS, commands, workers)
    commands.allow(DEADLINE_S)
    began = time.monotonic()
    commands.run(*compose(FILE), "restart", *NODES)
    with first_response() as answered:
        compose_start(commands, workers, None)
        first_200_s = answered.wait(commands) - began
    return Measured({"first_200_s": round(first_200_s, 3)}, commands=commands.times(began))


def compose_stop(commands: Commands) -> None:
    commands.run(*compose(FILE), "down", "--volumes")


def remove(commands: Commands) -> None:
    """Volumes too: the next start is to be a first one."""
    commands.run("daybreak", "down", "--volumes", "--yes")


COMPOSE = System(compose_start, compose_restart, compose_stop)
DOCKER = replace(DAYBREAK, stop=remove)


def start(system: System, application: Application, commands: Commands, workers: int) -> Measured:
    """What containers burn and take is not counted: they are the engine's children, not the command's."""
    commands.group = None
    return time_start(system, application, commands, workers)


def restart(system: System, application: Application, commands: Commands, workers: int) -> Measured:
    commands.group = None
    return time_restart(system, application, commands, workers)


SCENARIOS = (
    Scenario("compose", "`docker compose up`", "compose", COMPOSE, partial(start, COMPOSE, CONTAINERS)),
    Scenario("docker", "`daybreak up`, backend docker, cold", "compose", DOCKER, partial(start, DOCKER, CONTAINERS)),
    Scenario("process", "`daybreak up`, processes, cold", "process", DOCKER, partial(start, DOCKER, PROCESSES)),
    Scenario(
        "compose-restart",
        "restart: `docker compose restart`",
        "compose-restart",
        COMPOSE,
        time_compose_restart,
    ),
    Scenario(
        "docker-restart",
        "restart: `daybreak restart`, backend docker",
        "compose-restart",
        DOCKER,
        partial(restart, DOCKER, CONTAINERS),
    ),
)
GOALS = (
    Goal("containers: cold start, first HTTP 200, beside Compose", "docker", "first_200_s", 3.0),
    Goal("containers: restart, first HTTP 200, beside Compose", "docker-restart", "first_200_s", 3.0),
    Goal(
        "containers: cold start, first HTTP 200, beside processes",
        "docker",
        "first_200_s",
        1.5,
        share=True,
        against="process",
        whose="that of processes",
    ),
)

SUITE = Suite("containers", SCENARIOS, GOALS, rounds=3, programs=("ray", "daybreak"), absent=partial(absent, *IMAGES))

if __name__ == "__main__":
    sys.exit(main(SUITE))
