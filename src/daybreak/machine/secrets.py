"""Passwords and tokens: one file each, mode 0600, in a folder that only the user can enter."""

from __future__ import annotations

import os
import secrets
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from daybreak.errors import PreflightError
from daybreak.files import replacing

TOKEN_BYTES = 32


def ensure_secrets(folder: Path, names: Iterable[str], *, keep: bool = True) -> dict[str, str]:
    """The named secrets, made where they are missing: 64 hexadecimal digits each. Without `keep` those are not stored.

    Whoever comes second, even at the same moment, gets what the first one made. Raises PreflightError where a file
    belongs to somebody else or cannot be written; wrong permissions of our own files are put right.
    """
    return {
        name: _ensure(folder, name) if keep or (folder / name).exists() else secrets.token_hex(TOKEN_BYTES)
        for name in names
    }


def write_secret(folder: Path, name: str, value: str) -> Path:
    """Write a secret so that a reader sees the old or the new one, never a part; unchanged files are left alone."""
    path = folder / name
    try:
        if path.is_file() and _read(path) == value.rstrip("\n"):
            return path
        _write(path, value)
    except OSError as error:
        raise _unusable(path, error) from error
    return path


def _ensure(folder: Path, name: str) -> str:
    path = folder / name
    try:
        if not path.exists():
            _write(path, secrets.token_hex(TOKEN_BYTES), keep=True)
        value = _read(path)
    except OSError as error:
        raise _unusable(path, error) from error
    except UnicodeDecodeError:
        value = "\0"
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise PreflightError(
            [f"the secret's file {path} holds a second line, a control character or no text"],
            hint="write a password of one line into it, or delete it to get a new one",
        )
    if not value:
        raise PreflightError(
            [f"the secret's file {path} is empty"], hint="write the password into it, or delete it to get a new one"
        )
    return value


def _write(path: Path, value: str, *, keep: bool = False) -> None:
    with replacing(path, durable=True, keep=keep) as file:
        file.write(value.rstrip("\n").encode() + b"\n")


def _read(path: Path) -> str:
    """The file's text without its line end. What is checked is the very file that is read, and no link is followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, encoding="utf-8") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise PreflightError([f"the secret's file {path} is not a plain file"], hint=f"remove {path}")
        if found.st_uid != os.geteuid():
            raise PreflightError(
                [f"the secret's file {path} belongs to user {found.st_uid}, not to you"],
                hint="use the account that made this cluster, or another state folder with DAYBREAK_HOME=/path",
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
        return file.read().rstrip("\n")


def _unusable(path: Path, error: OSError) -> PreflightError:
    return PreflightError(
        [f"the secret's file {path} cannot be used: {error.strerror or error}"],
        hint="make its folder writable, or choose another state folder with DAYBREAK_HOME=/path",
    )
