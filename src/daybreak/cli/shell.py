"""env and run: reach the cluster from a shell or a program."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from daybreak import api
from daybreak.cli.output import print_json
from daybreak.errors import UsageError

NO_MONITOR = (
    "hint: `ray status` is told by Ray's autoscaler monitor, which runs with `ray: {autoscaler_monitor: true}`; "
    "without it: `daybreak status`, `daybreak run -- ray list nodes`"
)


def env(name: str | None, as_json: bool) -> None:
    """Print `export` lines. A secret is read by the shell from its file, so it never stands in this output."""
    found = api.environment(name)
    values = _values(found, os.environ)
    if as_json:
        print_json({"values": values, "files": found["files"], "unset": found.get("unset", [])})
        return
    for key in found.get("unset", []):
        print(f"unset {key}")
    for key, value in values.items():
        print(f"export {key}={shlex.quote(value)}")
    for key, path in found["files"].items():
        print(f'export {key}="$(cat {shlex.quote(path)})"')


def _values(found: Mapping[str, Any], shell: Mapping[str, str]) -> dict[str, str]:
    """The plain values; lists such as `no_proxy` have what the shell has in its own, too."""
    values: dict[str, str] = dict(found["values"])
    for key, (first, separator) in found.get("joined", {}).items():
        words = [*first.split(separator), *shell.get(key, "").split(separator)]
        values[key] = separator.join(dict.fromkeys(filter(None, words)))
    return values


# What a program in a container is told of the terminal.
TERMINAL = ("TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES", "LANG", "LC_ALL", "TZ")


def run(name: str | None, command: tuple[str, ...]) -> None:
    """Become the command, with the cluster's variables and Ray's programs on the search path."""
    if command and command[0] == "--":
        command = command[1:]
    found = api.environment(name)
    if _asks_the_autoscaler(command) and not found.get("autoscaler_monitor"):
        print(NO_MONITOR, file=sys.stderr)
    if found.get("within"):
        _run_within(found["within"], found["carried"], command)
    environment = {key: value for key, value in os.environ.items() if key not in found.get("unset", [])}
    environment |= _values(found, os.environ)
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


def _run_within(client: list[str], carried: dict[str, str], command: tuple[str, ...]) -> NoReturn:
    """Become the program that stands in for one in the head's container, in the application's folder."""
    from daybreak.services.within import PREFIX

    request = {**json.loads(client[-1]), "argv": list(command)}
    terminal = {f"{PREFIX}{key}": os.environ[key] for key in TERMINAL if key in os.environ}
    os.execve(client[0], [*client[:-1], json.dumps(request)], {**os.environ, **carried, **terminal})
