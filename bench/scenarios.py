"""The ways of starting and restarting that are compared; who reads the list at the end knows them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.commands import Commands
from bench.quiet import require_one_stock_cluster

ADDRESS = "--address=127.0.0.1:6379"
APPLICATION = "app:main"
STOP_S = 60.0
# Below the ports that the system gives to outgoing connections, above those of Ray's workers (10002 to 19999).
FIRST_AGENT_PORT = 21000
AGENT_PORTS = (
    "--node-manager-port",
    "--object-manager-port",
    "--dashboard-agent-grpc-port",
    "--dashboard-agent-listen-port",
    "--runtime-env-agent-port",
    "--metrics-export-port",
)

Action = Callable[[Commands, int], None]


@dataclass(frozen=True)
class Scenario:
    """One line of the comparison.

    `go` is what is timed, with the number of workers; it returns when every command has that is not meant to stay.
    `prepare` brings up, untimed, the cluster that a restart needs. `stop` takes everything down. `baseline` is the
    scenario that this one is compared with.
    """

    name: str
    title: str
    baseline: str
    go: Action
    stop: Action
    prepare: Action | None = None


def stock(commands: Commands, workers: int) -> None:
    """Ray's commands with their defaults, each when the one before has returned."""
    commands.run("ray", "start", "--head")
    for _ in range(workers):
        commands.run("ray", "start", ADDRESS)
    commands.start("serve", "run", APPLICATION)


def stock_parallel(commands: Commands, workers: int) -> None:
    """Every agent's port given, so that no node waits for them; all but the head at once."""
    commands.run("ray", "start", "--head", *agent_ports(0))
    nodes = [
        commands.start("ray", "start", ADDRESS, *agent_ports(number), f"--temp-dir={commands.folder}/w{number}")
        for number in range(1, workers + 1)
    ]
    commands.start("serve", "run", APPLICATION)
    for node in nodes:
        commands.finish(node)


def stock_restart(commands: Commands, workers: int) -> None:
    """What Ray's commands offer for a restart: stop everything, start everything."""
    commands.run("ray", "stop", "-f")
    commands.kill_rest()  # the old `serve run`, which nobody else ends
    stock(commands, workers)


def stop_stock(commands: Commands, _workers: int) -> None:
    """`ray stop -f` ends every Ray on the machine: only after a look that there is no other."""
    require_one_stock_cluster()
    commands.run("ray", "stop", "-f")


def daybreak(commands: Commands, workers: int) -> None:
    """Cold: no keeper runs, and the state folder is new."""
    commands.run("daybreak", "up", str(workers), "--app", APPLICATION)


def daybreak_restart(commands: Commands, _workers: int) -> None:
    commands.run("daybreak", "restart", "--in-place")


def stop_daybreak(commands: Commands, _workers: int) -> None:
    commands.run("daybreak", "down")


def agent_ports(node: int) -> list[str]:
    """Ports of its own for one node."""
    return [f"{flag}={FIRST_AGENT_PORT + 10 * node + place}" for place, flag in enumerate(AGENT_PORTS)]


SCENARIOS = (
    Scenario("stock", "Ray's commands, one after another", "stock", stock, stop_stock),
    Scenario("stock-parallel", "Ray's commands, tuned by hand and in parallel", "stock", stock_parallel, stop_stock),
    Scenario("daybreak", "`daybreak up`, cold", "stock", daybreak, stop_daybreak),
    Scenario(
        "stock-restart", "restart: `ray stop -f`, then as above", "stock-restart", stock_restart, stop_stock, stock
    ),
    Scenario(
        "daybreak-restart",
        "restart: `daybreak restart --in-place`",
        "stock-restart",
        daybreak_restart,
        stop_daybreak,
        daybreak,
    ),
)
NAMES = tuple(scenario.name for scenario in SCENARIOS)
