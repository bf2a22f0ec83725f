"""What commands ask of Ray: `ray start`, `serve run`, `serve deploy`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daybreak.extras.init_from.compose import ComposeService
from daybreak.extras.init_from.words import commands, names_in

SWITCHES = names_in(
    "--block --head --disable-usage-stats --no-monitor --no-redirect-output --ray-debugger-external --blocking "
    "--non-blocking --reload --verbose -v"
)
# What only keeps a container alive, or waits for what daybreak waits for by itself.
IDLE = frozenset(("sleep", "tail", "wait", "trap", "echo", "set", "true", "cd", "until", "while", "do", "done", "for"))
CONFIGS = (".yaml", ".yml")


@dataclass(frozen=True)
class RayStart:
    """One `ray start`: its options by name, without dashes."""

    options: dict[str, str] = field(default_factory=dict)

    @property
    def is_head(self) -> bool:
        return "head" in self.options


@dataclass(frozen=True)
class ServeRun:
    """One `serve run` or `serve deploy`: an import path with its arguments, or a Serve config file."""

    target: str
    arguments: dict[str, str]
    options: dict[str, str]

    @property
    def is_config(self) -> bool:
        return self.target.endswith(CONFIGS)


@dataclass(frozen=True)
class Asked:
    """What a service's command asks of Ray, and the rest of it that is a command of another kind."""

    starts: tuple[RayStart, ...] = ()
    serves: tuple[ServeRun, ...] = ()
    rest: tuple[tuple[str, ...], ...] = ()


def asked(service: ComposeService, folder: Path) -> Asked:
    """Look into the command; where it is a script that lies in the build's folder, into that."""
    starts, serves, rest = [], [], []
    for words in commands(service.words, _script(service, folder)):
        program = words[0].rpartition("/")[2]
        if program == "ray" and words[1:2] == ("start",):
            starts.append(RayStart(_options(words[2:])[0]))
        elif program == "serve" and words[1:2] in (("run",), ("deploy",)):
            options, given = _options(words[2:])
            if given:
                arguments = dict(pair for word in given[1:] if len(pair := word.split("=", 1)) == 2)
                serves.append(ServeRun(given[0], arguments, options))
        elif program not in IDLE:
            rest.append(words)
    return Asked(tuple(starts), tuple(serves), tuple(rest))


def resources(text: str) -> dict[str, float]:
    """`--resources`, which is JSON; nothing of what is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    items = found.items() if isinstance(found, dict) else ()
    return {str(name): amount for name, amount in items if isinstance(amount, int | float)}


def labels(text: str) -> dict[str, str]:
    """`--labels`: JSON in older releases of Ray, `name=value,name=value` in newer ones."""
    if text.lstrip().startswith("{"):
        try:
            return {str(name): str(value) for name, value in json.loads(text).items()}
        except ValueError:
            return {}
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Options by name, and what is none."""
    found: dict[str, str] = {}
    plain: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            plain.append(word)
        elif equals:
            found[name.lstrip("-")] = value
        elif word in SWITCHES or not rest or rest[0].startswith("-"):
            found[name.lstrip("-")] = ""
        else:
            found[name.lstrip("-")] = rest.pop(0)
    return found, plain


def _script(service: ComposeService, folder: Path) -> str | None:
    """The script that the command is, where it lies in the folder that the image is built of."""
    words = service.words
    if words and words[0].rpartition("/")[2] in ("sh", "bash") and len(words) > 1:
        words = words[1:]
    if not words or not words[0].endswith(".sh"):
        return None
    inside = words[0].removeprefix(service.working_dir).lstrip("/")
    places = [folder / (service.build.context or ".") / name for name in (inside, words[0].rpartition("/")[2])]
    places += [folder / mount.source for mount in service.mounts if mount.is_folder and mount.target == words[0]]
    for place in places:
        try:
            return place.read_text()
        except (OSError, UnicodeDecodeError):
            continue
    return None
