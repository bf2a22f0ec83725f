"""What the user last asked for, kept so that a new keeper goes on where a killed one ended."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daybreak.backends.records import write_private


@dataclass(frozen=True)
class WantedState:
    """The spec as JSON values, the folder that relative paths count from, and the generation of the app tier.

    `settled` is False after a run that failed or was interrupted: nothing is restarted by itself until the next
    command. `workers` is the count given on the command line, None where the spec's counts, and `backend` what was last
    given there. `given_up` names services that ended and are not to be restarted until the next command. `affinity` is
    what the applications' source said when it was last looked at, since Serve's proxy was chosen by it; None before.
    """

    spec: dict[str, Any]
    base: str
    source: str | None = None
    generation: int = 0
    workers: int | None = None
    backend: str | None = None
    settled: bool = False
    given_up: tuple[str, ...] = ()
    affinity: str | None = None

    def save(self, path: Path) -> None:
        write_private(path, json.dumps(self.__dict__, indent=1))

    @classmethod
    def load(cls, path: Path) -> WantedState | None:
        """The stored state; None where there is none or it cannot be understood."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def with_changes(self, **changes: Any) -> WantedState:
        return replace(self, **changes)
