"""env and run: reach the cluster from a shell or a program."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import NoReturn

from daybreak import api
from daybreak.cli.output import print_json
from daybreak.errors import UsageError


def env(name: str | None, as_json: bool) -> None:
    """Print `export` lines. A secret is read by the shell from its file, so it never stands in this output."""
    found = api.environment(name)
    if as_json:
        print_json({"values": found["values"], "files": found["files"]})
        return
    for key, value in found["values"].items():
        print(f"export {key}={shlex.quote(value)}")
    for key, path in found["files"].items():
        print(f'export {key}="$(cat {shlex.quote(path)})"')


# What a program in a container is told of the terminal.
TERMINAL = ("TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES", "LANG", "LC_ALL", "TZ")


def run(name: str | None, command: tuple[str, ...]) -> None:
    """Become the command, with the cluster's variables and Ray's programs on the search path."""
    if command and command[0] == "--":
        command = command[1:]
    found = api.environment(name)
    if found.get("within"):
        _run_within(found["within"], found["carried"], command)
    environment = dict(os.environ) | found["values"]
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


def _run_within(client: list[str], carried: dict[str, str], command: tuple[str, ...]) -> NoReturn:
    """Become the program that stands in for one in the head's container, in the application's folder."""
    from daybreak.services.within import PREFIX

    request = {**json.loads(client[-1]), "argv": list(command)}
    terminal = {f"{PREFIX}{key}": os.environ[key] for key in TERMINAL if key in os.environ}
    os.execve(client[0], [*client[:-1], json.dumps(request)], {**os.environ, **carried, **terminal})
