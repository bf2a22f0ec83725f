"""daybreak run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.environment import plain_values
from daybreak.errors import UsageError

NO_MONITOR = (
    "hint: `ray status` is told by Ray's autoscaler monitor, which runs with `ray: {autoscaler_monitor: true}`; "
    "without it: `daybreak status`, `daybreak run -- ray list nodes`"
)
# What a program in a container is told of the terminal.
TERMINAL = ("TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES", "LANG", "LC_ALL", "TZ")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@options.name
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(name: str | None, command: tuple[str, ...]) -> None:
    """Run COMMAND with the cluster's environment.

    \b
    Examples:
      daybreak run -- python script.py
      daybreak run -- ray job submit -- python job.py
    """
    become(name, command)


def become(name: str | None, command: tuple[str, ...]) -> None:
    """Become the command, with the cluster's variables and Ray's programs on the search path."""
    if command and command[0] == "--":
        command = command[1:]
    found = api.environment(name)
    if _asks_the_autoscaler(command) and not found.get("autoscaler_monitor"):
        print(NO_MONITOR, file=sys.stderr)
    if found.get("within"):
        _become_in_container(found["within"], found["carried"], command)
    environment = {key: value for key, value in os.environ.items() if key not in found.get("unset", [])}
    environment |= plain_values(found, os.environ)
    for key, path in found["files"].items():
        environment[key] = Path(path).read_text().strip()
    programs = str(Path(found["python"]).parent)
    environment["PATH"] = f"{programs}:{environment.get('PATH', '')}"
    base = found["base"]
    rest = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{base}:{rest}" if rest else base
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise UsageError(f"cannot run {command[0]}: {error.strerror}") from error


def _asks_the_autoscaler(command: tuple[str, ...]) -> bool:
    return Path(command[0]).name == "ray" and "status" in command[1:2] if command else False


def _become_in_container(client: list[str], carried: dict[str, str], command: tuple[str, ...]) -> NoReturn:
    """Become the program that stands in for one in the head's container, in the application's folder."""
    from daybreak.services.ray.stand_in import PREFIX

    request = {**json.loads(client[-1]), "argv": list(command)}
    terminal = {f"{PREFIX}{key}": os.environ[key] for key in TERMINAL if key in os.environ}
    os.execve(client[0], [*client[:-1], json.dumps(request)], {**os.environ, **carried, **terminal})
