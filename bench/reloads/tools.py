"""What a developer lets run while editing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.commands import Commands
from bench.quiet import require_one_stock_cluster
from bench.systems import System


@dataclass(frozen=True)
class Tool:
    """`told` counts in its output how many saves it says are done; None where it says nothing. `system` takes all down.
    `serves`: it runs deployments of Serve, and not the bare application."""

    name: str
    title: str
    command: tuple[str, ...]
    system: System
    told: Callable[[str], int] | None = None
    serves: bool = True


def nothing(_commands: Commands, _workers: int, _application: object) -> None:
    """The trial itself starts the command, which stays."""


def stop(commands: Commands) -> None:
    commands.interrupt_rest()


def stop_daybreak(commands: Commands) -> None:
    """Whatever became of `dev`: its cluster does not outlive the run."""
    commands.interrupt_rest()
    commands.run("daybreak", "down")


BY_ITSELF = System(nothing, nothing, stop)
DEV = Tool(
    "dev",
    "`daybreak dev`",
    ("daybreak", "dev", "0", "--json"),
    System(nothing, nothing, stop_daybreak),
    told=lambda output: output.count('"event": "reloaded"'),
)
SERVE_RUN = Tool(
    "serve-run",
    "`serve run --reload`",
    ("serve", "run", "--reload", "app:main"),
    System(nothing, nothing, stop, require_one_stock_cluster),
)
UVICORN = Tool("uvicorn", "`uvicorn --reload`", ("uvicorn", "--reload", "shop:api"), BY_ITSELF, serves=False)
