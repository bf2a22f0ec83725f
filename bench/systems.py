"""The systems that are compared: how each is started, restarted and stopped, by the commands that a user types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.commands import Commands
from bench.quiet import require_one_stock_cluster

ADDRESS = "--address=127.0.0.1:6379"
ONE_CPU = ("--num-cpus=1",)
TWO_CPUS = ("--num-cpus=2",)
# The same on daybreak's side.
TWO_CPUS_SPEC = ("--file", "two-cpus.yaml")
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


@dataclass(frozen=True)
class Application:
    """What runs on Serve: as `serve run` takes it, and as `daybreak up` takes it. Files lie in bench/app."""

    serve_run: str
    daybreak_up: tuple[str, ...]


TRIVIAL = Application("app:main", ("--app", "app:main"))
HEAVY = Application("heavy-serve.yaml", ("--file", "heavy.yaml"))
# The same application as TRIVIAL, on nodes with small object stores.
SMALL = Application("app:main", ("--file", "small.yaml"))

# Commands, number of workers, and what runs on Serve (or nothing); returns when every command has that is not to stay.
Start = Callable[[Commands, int, Application | None], None]


@dataclass(frozen=True)
class System:
    """One way of running a cluster.

    `stop` ends everything. `check` raises NotQuiet where `stop` or `restart` would end somebody else's cluster.
    `driver` is what stands before a program that uses the cluster; `keeper` says that one runs, which
    serves a page and tells the cluster's state.
    """

    start: Start
    restart: Start
    stop: Callable[[Commands], None]
    check: Callable[[], None] = lambda: None
    driver: tuple[str, ...] = ()
    keeper: bool = False


def stock_start(commands: Commands, workers: int, application: Application | None, flags: tuple[str, ...] = ()) -> None:
    """Ray's commands, each when the one before has returned; `flags` for every node."""
    commands.run("ray", "start", "--head", *flags)
    for _ in range(workers):
        commands.run("ray", "start", ADDRESS, *flags)
    if application:
        commands.start("serve", "run", application.serve_run)


def stock_start_of_one_cpu_nodes(commands: Commands, workers: int, application: Application | None) -> None:
    """The nodes that daybreak starts have one CPU each: where Ray's scheduler matters, both have the same."""
    stock_start(commands, workers, application, ONE_CPU)


def tuned_start(commands: Commands, workers: int, application: Application | None) -> None:
    """Every agent's port given, so that no node waits for them; all but the head at once."""
    commands.run("ray", "start", "--head", *agent_ports(0))
    nodes = [
        commands.start("ray", "start", ADDRESS, *agent_ports(number), f"--temp-dir={commands.folder}/w{number}")
        for number in range(1, workers + 1)
    ]
    if application:
        commands.start("serve", "run", application.serve_run)
    for node in nodes:
        commands.finish(node)


def stock_restart(commands: Commands, workers: int, application: Application | None) -> None:
    """What Ray's commands offer for a restart: stop everything, start everything."""
    commands.run("ray", "stop", "-f")
    commands.kill_rest()  # the old `serve run`, which nobody else ends
    stock_start(commands, workers, application)


def stock_stop(commands: Commands) -> None:
    """`ray stop -f` ends every Ray on the machine: only after a look that there is no other."""
    require_one_stock_cluster()
    commands.run("ray", "stop", "-f")


def stock_start_of_two_cpu_nodes(commands: Commands, workers: int, application: Application | None) -> None:
    """A node starts as many workers at once as it has CPUs: with two on each it is a burst."""
    stock_start(commands, workers, application, TWO_CPUS)


def daybreak_start(
    commands: Commands, workers: int, application: Application | None, flags: tuple[str, ...] = ()
) -> None:
    """Cold: no keeper runs, and the state folder is new."""
    commands.run("daybreak", "up", str(workers), *(application.daybreak_up if application else ()), *flags)


def daybreak_start_of_two_cpu_nodes(commands: Commands, workers: int, application: Application | None) -> None:
    daybreak_start(commands, workers, application, TWO_CPUS_SPEC)


def daybreak_restart(commands: Commands, _workers: int, _application: Application | None) -> None:
    """The keeper runs, and what it keeps warm is warm."""
    commands.run("daybreak", "restart", "--in-place")


def daybreak_stop(commands: Commands) -> None:
    commands.run("daybreak", "down")


def agent_ports(node: int) -> list[str]:
    """Ports of its own for one node."""
    return [f"{flag}={FIRST_AGENT_PORT + 10 * node + place}" for place, flag in enumerate(AGENT_PORTS)]


STOCK = System(stock_start, stock_restart, stock_stop, require_one_stock_cluster)
STOCK_ONE_CPU = replace(STOCK, start=stock_start_of_one_cpu_nodes)
STOCK_TWO_CPUS = replace(STOCK, start=stock_start_of_two_cpu_nodes)
TUNED = replace(STOCK, start=tuned_start)
DAYBREAK = System(daybreak_start, daybreak_restart, daybreak_stop, driver=("daybreak", "run", "--"), keeper=True)
DAYBREAK_TWO_CPUS = replace(DAYBREAK, start=daybreak_start_of_two_cpu_nodes)
