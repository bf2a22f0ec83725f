"""The options and arguments that several commands have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import click

from daybreak.cli.common import complete, counts
from daybreak.errors import DaybreakError

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

# What an option is that may be given several times; None where it is not.
Words = tuple[str, ...] | None

MOST_OFFSET = 50_000

name = click.option(
    "-n", "--name", shell_complete=complete.cluster, help="Cluster; the spec's or the folder's name if absent."
)


def _files(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> Words:
    return given or None


file = click.option(
    "-f",
    "--file",
    type=click.Path(),
    multiple=True,
    callback=_files,
    help="Spec file, several times to lay one over another; ./daybreak.yaml and daybreak.override.yaml if absent.",
)
profiles = click.option(
    "--profile",
    "profiles",
    metavar="NAME",
    multiple=True,
    callback=_files,
    shell_complete=complete.profile,
    help="Start the services of this profile as well; remembered for later commands. `none` ends that.",
)
app = click.option("--app", metavar="MODULE:ATTRIBUTE", help="Serve application, such as app:main.")
port_offset = click.option(
    "--port-offset", type=click.IntRange(0, MOST_OFFSET), metavar="N", help="Added to every public port."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
keep = click.option("--keep", is_flag=True, help="Leave running what came up where something else fails.")
no_hooks = click.option("--no-hooks", is_flag=True, help="Leave out the commands of `hooks` in the spec.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
runs = click.option("-r", "--runs", type=click.IntRange(1, 1000), default=3, show_default=True, help="How often.")
take_over = click.option(
    "--take-over", is_flag=True, help="Make a cluster of this name that belongs to another folder this one's."
)
workers = click.argument(
    "workers", nargs=-1, callback=counts.parse, metavar=counts.METAVAR, shell_complete=complete.group
)


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
