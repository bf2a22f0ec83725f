"""A program of the user's that reaches the cluster: what is started for it, and with which variables."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybreak import api
from daybreak.cli.common.environment import plain_values

# `ray status` shows what Ray's autoscaler monitor has left in the GCS. With this it asks the GCS itself, which knows
# nodes, usage and demands without a monitor.
ASKS_THE_GCS = {"RAY_enable_autoscaler_v2": "1"}
# What a program in a container is told of the terminal.
TERMINAL = ("TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class Program:
    """Looked for in the `PATH` of its own environment."""

    argv: tuple[str, ...]
    environment: dict[str, str]


def program(name: str | None, command: Sequence[str]) -> Program:
    """With the cluster's variables and Ray's programs on the search path; in containers what stands in for it there."""
    found = api.environment(name)
    own = ASKS_THE_GCS if _asks_the_autoscaler(command) and not found.get("autoscaler_monitor") else {}
    if found.get("within"):
        return _in_container(found["within"], found["carried"], own, command)
    environment = {key: value for key, value in os.environ.items() if key not in found.get("unset", [])}
    environment |= plain_values(found, os.environ) | own
    for key, path in found["files"].items():
        environment[key] = Path(path).read_text().strip()
    programs = str(Path(found["python"]).parent)
    environment["PATH"] = f"{programs}:{environment.get('PATH', '')}"
    base = found["base"]
    rest = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{base}:{rest}" if rest else base
    return Program(tuple(command), environment)


def _asks_the_autoscaler(command: Sequence[str]) -> bool:
    return Path(command[0]).name == "ray" and "status" in command[1:2] if command else False


def _in_container(
    client: list[str], carried: Mapping[str, str], own: Mapping[str, str], command: Sequence[str]
) -> Program:
    """What stands in for a program in the head's container, in the application's folder."""
    from daybreak.services.ray.stand_in import PREFIX

    request: dict[str, Any] = {**json.loads(client[-1]), "argv": list(command)}
    given = {key: os.environ[key] for key in TERMINAL if key in os.environ} | dict(own)
    theirs = {f"{PREFIX}{key}": value for key, value in given.items()}
    return Program((*client[:-1], json.dumps(request)), {**os.environ, **carried, **theirs})
