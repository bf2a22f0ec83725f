"""The stored state as commands read it, without the models of what it means: their imports are most of the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybreak.files import read_book


@dataclass(frozen=True)
class Stored:
    """What a command reads of it. The spec is not validated."""

    spec: Mapping[str, Any]
    base: str
    source: str | None = None
    backend: str | None = None
    profiles: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Stored | None:
        """None where there is none."""
        values = read_book(path)
        if not isinstance(values.get("spec"), dict) or not isinstance(values.get("base"), str):
            return None
        profiles = tuple(values.get("profiles", ()))
        return cls(values["spec"], values["base"], values.get("source"), values.get("backend"), profiles)
