"""The options and arguments that several commands have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import click

from daybreak.cli.common import complete
from daybreak.errors import DaybreakError
from daybreak.names import MOST_WORKERS

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

MOST_OFFSET = 50_000

name = click.option(
    "-n", "--name", shell_complete=complete.cluster, help="Cluster; the spec's or the folder's name if absent."
)
file = click.option("-f", "--file", type=click.Path(), help="Spec file; ./daybreak.yaml if absent.")
app = click.option("--app", metavar="MODULE:ATTRIBUTE", help="Serve application, such as app:main.")
port_offset = click.option(
    "--port-offset", type=click.IntRange(0, MOST_OFFSET), metavar="N", help="Added to every public port."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
keep = click.option("--keep", is_flag=True, help="Leave running what came up where something else fails.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
runs = click.option("-r", "--runs", type=click.IntRange(1, 1000), default=3, show_default=True, help="How often.")
take_over = click.option(
    "--take-over", is_flag=True, help="Make a cluster of this name that belongs to another folder this one's."
)
workers = click.argument("workers", type=click.IntRange(0, MOST_WORKERS), required=False)


def spec(command: F) -> F:
    """The options by which a command finds or makes its spec."""
    for option in (port_offset, file, name, app):
        command = option(command)
    return command


def verbose(command: Callable[P, R]) -> Callable[P, R]:
    """`-v`: where the command fails, all lines are shown instead of a screen of them."""

    @functools.wraps(command)
    def told(*args: P.args, **given: P.kwargs) -> R:
        wanted = bool(given.pop("verbose"))
        try:
            return command(*args, **given)
        except DaybreakError as error:
            error.verbose = wanted
            raise

    option = click.option("-v", "--verbose", is_flag=True, help="Show whole tracebacks where something fails.")
    return option(told)
