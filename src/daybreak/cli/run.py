"""daybreak run."""

from __future__ import annotations

import os

import click

from daybreak.cli.common import options
from daybreak.cli.common.program import program
from daybreak.errors import UsageError


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@options.name
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(name: str | None, command: tuple[str, ...]) -> None:
    """Run COMMAND with the cluster's environment.

    \b
    Examples:
      daybreak run -- python script.py
      daybreak run -- ray job submit -- python job.py
      daybreak run ray status
    """
    become(name, command)


def become(name: str | None, command: tuple[str, ...]) -> None:
    """Become the command, with the cluster's variables and Ray's programs on the search path."""
    if command and command[0] == "--":
        command = command[1:]
    found = program(name, command)
    try:
        os.execvpe(found.argv[0], found.argv, found.environment)
    except OSError as error:
        raise UsageError(f"cannot run {command[0]}: {error.strerror}") from error
