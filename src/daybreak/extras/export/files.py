"""What an export comes to: files with their text, the secrets they count on, and what could not be said. Pure."""

from __future__ import annotations

from dataclasses import dataclass

READABLE = 0o644


@dataclass(frozen=True)
class File:
    """A file below the folder that is exported to; `path` has `/`. Containers of another account read it, too."""

    path: str
    text: str
    mode: int = READABLE


@dataclass(frozen=True)
class Export:
    """`secrets` are the names of the files that must be in the folder `secrets`; `warnings` are for people."""

    files: tuple[File, ...]
    secrets: tuple[str, ...]
    warnings: tuple[str, ...]
