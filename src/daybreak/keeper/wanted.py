"""What the user last asked for, kept so that a new keeper goes on where a killed one ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.files import read_book, write_private
from daybreak.services.slots import Slot

if TYPE_CHECKING:
    from daybreak.spec.model import Spec


@dataclass(frozen=True)
class WantedState:
    """The spec, the folder that relative paths count from, and the generation of the app tier.

    `settled` is False after a run that failed or was interrupted: nothing is restarted by itself until the next
    command. `workers` is the count given on the command line, None where the spec's counts, and `backend` what was last
    given there. `given_up` names services that ended and are not to be restarted until the next command. `affinity` is
    what the applications' source said when it was last looked at, since Serve's proxy was chosen by it; None before.
    `slot` is where the app tier is.
    `version` is the one that was last deployed with success, None where none was kept of it. `rolled_back` says that it
    is deployed from its own folder: it is what the spec's folder was when that was turned away from (a digest); None
    where the spec's folder is what is deployed.
    """

    spec: Spec
    base: str
    source: str | None = None
    generation: int = 0
    workers: int | None = None
    backend: str | None = None
    settled: bool = False
    given_up: tuple[str, ...] = ()
    affinity: str | None = None
    slot: Slot = Slot.A
    version: int | None = None
    rolled_back: str | None = None

    @property
    def code_version(self) -> int | None:
        """The version whose folder is deployed; None where it is the spec's."""
        return None if self.rolled_back is None else self.version

    def save(self, path: Path) -> None:
        values = {**self.__dict__, "spec": self.spec.model_dump(mode="json", by_alias=True)}
        write_private(path, json.dumps(values, indent=1))

    @classmethod
    def load(cls, path: Path) -> WantedState | None:
        """The stored state; None where there is none or it cannot be understood. Raises UsageError for its spec."""
        from daybreak.keeper.request import read_spec

        values = read_book(path)
        if "spec" not in values:
            return None
        try:
            read = {"given_up": tuple(values.get("given_up", ())), "slot": Slot(values.get("slot", Slot.A))}
            return cls(**{**values, **read, "spec": read_spec(values["spec"])})
        except (TypeError, ValueError):
            return None

    def with_changes(self, **changes: Any) -> WantedState:
        return replace(self, **changes)


@dataclass(frozen=True)
class Stored:
    """What a command reads of the stored state. The spec is not validated: that would take pydantic's time."""

    spec: Mapping[str, Any]
    base: str
    source: str | None = None
    backend: str | None = None

    @classmethod
    def load(cls, path: Path) -> Stored | None:
        """None where there is none."""
        values = read_book(path)
        if not isinstance(values.get("spec"), dict) or not isinstance(values.get("base"), str):
            return None
        return cls(values["spec"], values["base"], values.get("source"), values.get("backend"))
