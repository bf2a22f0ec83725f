"""The shell's environment that services inherit: that of the command which last started the app tier, not of whichever
shell the keeper happened to be started from. Kept in a file for the keeper that comes after a killed one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from daybreak.extras.boot.notify import OWN
from daybreak.files import read_book, write_private
from daybreak.programs.warm.variables import still_fits

# What tells one terminal, or one `make`, from the other, and means nothing to a service: it stays as it was first seen,
# since forks of the warm template must have the environment that the template has.
OF_A_TERMINAL = frozenset(
    """
_ COLORTERM COLUMNS DBUS_SESSION_BUS_ADDRESS GPG_TTY LINES MAKEFLAGS MAKELEVEL MAKEOVERRIDES MAKE_TERMERR MAKE_TERMOUT
MFLAGS OLDPWD PWD SHLVL STY TERM TERM_PROGRAM TERM_PROGRAM_VERSION
TERM_SESSION_ID TMUX TMUX_PANE VTE_VERSION WINDOW WINDOWID XDG_SESSION_ID
""".split()  # noqa: SIM905
)
# The same of a unit of systemd.
OF_A_UNIT = frozenset(OWN)
# pytest's name the test that runs just now.
PREFIXES_OF_A_TERMINAL = ("SSH_", "KONSOLE_", "ITERM_", "KITTY_", "WEZTERM_", "PYTEST_")


def is_of_a_terminal(name: str) -> bool:
    return name in OF_A_TERMINAL or name in OF_A_UNIT or name.startswith(PREFIXES_OF_A_TERMINAL)


def renewed(before: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """What is given, with the terminal's own names as they were before."""
    theirs = {name: value for name, value in given.items() if not is_of_a_terminal(name)}
    return theirs | {name: value for name, value in before.items() if is_of_a_terminal(name)}


def without(environment: Mapping[str, str], names: Container[str]) -> Mapping[str, str]:
    """The same where it has none of the names."""
    if not any(name in names for name in environment):
        return environment
    return {name: value for name, value in environment.items() if name not in names}


def differing(before: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """The names of the variables that differ, but a terminal's and daybreak's own."""
    return sorted(
        name
        for name in before.keys() | given.keys()
        if before.get(name) != given.get(name) and not is_of_a_terminal(name) and not name.startswith("DAYBREAK_")
    )


def digest(environment: Mapping[str, str]) -> str:
    """Changes with every variable but a terminal's and daybreak's own; tells nothing of the values."""
    counted = sorted(
        (name, value)
        for name, value in environment.items()
        if not is_of_a_terminal(name) and not name.startswith("DAYBREAK_")
    )
    return hashlib.sha256(json.dumps(counted).encode()).hexdigest()[:16]


def of_template(state: Path, inherited: Mapping[str, str], but: Container[str]) -> str:
    """What the environment is to the warm template: the same as before, as long as it has read nothing that differs.

    `state` is the template's file; `but` are the variables that are its service's own.
    """
    try:
        told = read_book(state)
        if still_fits(told["variables"], inherited, but, told.get("prefixes", ())):
            return str(told["environment"])
    except (KeyError, TypeError, AttributeError):
        pass
    return digest(inherited)


def save(path: Path, environment: Mapping[str, str]) -> None:
    """Keep it; where that cannot be, a later keeper takes its own."""
    try:
        write_private(path, json.dumps(dict(environment)))
    except OSError:
        path.unlink(missing_ok=True)


def load(path: Path) -> dict[str, str]:
    """What was kept, else this process's own."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        return {str(name): str(value) for name, value in found.items()}
    except (OSError, ValueError, AttributeError):
        return dict(os.environ)
