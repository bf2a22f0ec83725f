"""What the user brings for the databases: passwords in files, and scripts that run when data is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daybreak.errors import PreflightError
from daybreak.machine.secrets import ensure_secrets
from daybreak.services.databases.connections import given_passwords, wanted_databases
from daybreak.spec.model import Spec
from daybreak.spec.password import read_password
from daybreak.spec.scripts import scripts


def secrets_of(spec: Spec, base: Path, folder: Path, names: Sequence[str], *, keep: bool) -> dict[str, str]:
    """The named secrets: those that files of the user's hold are read anew, the others are made where they are missing.

    Raises PreflightError where a file holds no password (any more).
    """
    given = {name: base / file for name, file in given_passwords(spec).items()}
    made = ensure_secrets(folder, [name for name in names if name not in given], keep=keep)
    try:
        return made | {name: read_password(file) for name, file in given.items()}
    except OSError as error:
        raise PreflightError([f"the password's file {error.filename} cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise PreflightError([str(error)]) from error


def find_scripts(spec: Spec, base: Path) -> dict[str, tuple[str, ...]]:
    """The files that run when a database's data is made, in order, by the database's name."""
    wanted = {name: getattr(getattr(spec.databases, name), "init", ()) for name in wanted_databases(spec)}
    return {
        name: tuple(str(script) for entry in entries for script in scripts((base / entry).absolute()))
        for name, entries in wanted.items()
        if entries
    }
