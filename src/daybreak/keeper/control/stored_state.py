"""The stored state as commands read it, without the models of what it means: their imports are most of the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybreak.files import read_book


@dataclass(frozen=True)
class Stored:
    """What a command reads of it. The spec is not validated, and without what `dev` has added; `by_dev`: it has."""

    spec: Mapping[str, Any]
    base: str
    source: str | None = None
    backend: str | None = None
    profiles: tuple[str, ...] = ()
    by_dev: bool = False

    @classmethod
    def load(cls, path: Path) -> Stored | None:
        """None where there is none."""
        values = read_book(path)
        if not isinstance(values.get("spec"), dict) or not isinstance(values.get("base"), str):
            return None
        given = values.get("given")
        spec = given if isinstance(given, dict) else values["spec"]
        profiles = tuple(values.get("profiles", ()))
        return cls(spec, values["base"], values.get("source"), values.get("backend"), profiles, by_dev=spec is given)
