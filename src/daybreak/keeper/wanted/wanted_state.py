"""What the user last asked for, kept so that a new keeper goes on where a killed one ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.files import read_book, write_private
from daybreak.services.handed import Handed
from daybreak.services.slots import Slot

if TYPE_CHECKING:
    from daybreak.spec.groups import Counts
    from daybreak.spec.model import Spec


class Errand(StrEnum):
    """What an operation is about that a killed keeper leaves to the next one."""

    CHANGE = "change"
    STOP = "stop"


@dataclass(frozen=True)
class UnderWay:
    """An operation that has begun to change what runs, and has not ended.

    `pid` is that of the command. `replaces` are the instances that it was to replace, `proven` those that it was to
    keep and that were seen ready. `gently`: applications serve on while they are replaced, `anew` although nothing of
    them differs, `only` that one of them. `keep` leaves what came up where something else fails; else `before` is
    wanted again, None where nothing was.
    """

    errand: Errand
    pid: int | None = None
    replaces: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()
    gently: bool = False
    anew: bool = False
    only: str = ""
    keep: bool = False
    before: WantedState | None = None

    def to_json(self) -> dict[str, Any]:
        own = {name: value for name, value in self.__dict__.items() if name != "before"}
        return {**own, "before": self.before and self.before.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> UnderWay:
        """Raises TypeError or ValueError for what is none, UsageError for the spec of before."""
        read = {name: tuple(values.get(name, ())) for name in ("replaces", "proven")}
        before = values.get("before")
        read_before = WantedState.from_json(before) if before else None
        return cls(**{**values, **read, "errand": Errand(values["errand"]), "before": read_before})


@dataclass(frozen=True)
class WantedState:
    """The spec, the folder that relative paths count from, and the generation of the app tier.

    `settled` is False after a run that failed or was interrupted: nothing is restarted by itself until the next
    command. `given` is the spec without what `dev` has added to it, None where that is nothing: what `up` means when
    nothing else is said.
    `workers` are the counts given on the command line, None where the spec's count, and `backend` is what was last
    given there; the spec has the services of `profiles`. `given_up` names services that ended and are not to be
    restarted until the next command, `stopped` those that the user has stopped until the next `up`.
    `affinity` is what the applications' source said when it was last looked at, since Serve's proxy was chosen by it;
    None before. `slot` is where the app tier is.
    `alone`: the head was the only node when the cluster was started, and offers what one offers; `sharing` is how many
    nodes divided the machine's CPUs then, 0 for none.
    `version` is the one that was last deployed with success, None where none was kept of it. `rolled_back` says that it
    is deployed from its own folder: it is what the spec's folder was when that was turned away from (a digest); None
    where the spec's folder is what is deployed.
    `changed_for` is the pid of the command that this state was made for, which has succeeded where it is settled.
    `under_way` is what is being changed; where a keeper finds it there its predecessor was killed in the middle.
    `handed` are keyed hashes of what services are handed of secrets.
    `kept` is the generation before, where that is kept for a way back. `warm_until` is when the template ends that
    `down` has left (seconds since 1970), None where it has left none.
    """

    spec: Spec
    base: str
    source: str | None = None
    given: Spec | None = None
    generation: int = 0
    workers: Counts | None = None
    backend: str | None = None
    profiles: tuple[str, ...] = ()
    handed: Handed = Handed()
    settled: bool = False
    given_up: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    affinity: str | None = None
    slot: Slot = Slot.A
    alone: bool = False
    sharing: int = 0
    version: int | None = None
    rolled_back: str | None = None
    under_way: UnderWay | None = None
    changed_for: int | None = None
    kept: Kept | None = None
    warm_until: float | None = None

    @property
    def code_version(self) -> int | None:
        """The version whose folder is deployed; None where it is the spec's."""
        return None if self.rolled_back is None else self.version

    def to_json(self) -> dict[str, Any]:
        own = {**self.__dict__, "spec": self.spec.model_dump(mode="json", by_alias=True)}
        return {
            **own,
            "given": self.given and self.given.model_dump(mode="json", by_alias=True),
            "under_way": self.under_way and self.under_way.to_json(),
            "kept": self.kept and self.kept.to_json(),
            "handed": self.handed.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> WantedState:
        """Raises TypeError or ValueError for what is none, UsageError for its spec."""
        from daybreak.keeper.control.request import read_spec

        begun, kept, given = values.get("under_way"), values.get("kept"), values.get("given")
        read = {
            "given_up": tuple(values.get("given_up", ())),
            "stopped": tuple(values.get("stopped", ())),
            "profiles": tuple(values.get("profiles", ())),
            "handed": Handed.from_json(values["handed"]) if values.get("handed") else Handed(),
            "slot": Slot(values.get("slot", Slot.A)),
            "under_way": UnderWay.from_json(begun) if begun else None,
            "kept": Kept.from_json(kept) if kept else None,
            "given": read_spec(given) if given else None,
        }
        return cls(**{**values, **read, "spec": read_spec(values["spec"])})

    def save(self, path: Path) -> None:
        write_private(path, json.dumps(self.to_json(), indent=1), durable=True)

    @classmethod
    def load(cls, path: Path) -> WantedState | None:
        """The stored state; None where there is none or it cannot be understood. Raises UsageError for its spec."""
        values = read_book(path)
        if "spec" not in values:
            return None
        try:
            return cls.from_json(values)
        except (TypeError, ValueError, KeyError):
            return None

    def with_changes(self, **changes: Any) -> WantedState:
        """What is settled is not under way any more."""
        if changes.get("settled"):
            changes = {"under_way": None, **changes}
        return replace(self, **changes)


@dataclass(frozen=True)
class Kept:
    """The generation before: nothing of it goes on, all that it has taken stays taken.

    It is kept `until` then (seconds since 1970). `state` is what was wanted while it served, `environment` what its
    nodes have inherited; it takes `memory_bytes`, and listens at `ports`.
    """

    until: float
    state: WantedState
    environment: Mapping[str, str]
    memory_bytes: int = 0
    ports: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "state": self.state.to_json(), "environment": dict(self.environment)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Kept:
        """Raises as that of WantedState."""
        return cls(**{**raw, "state": WantedState.from_json(raw["state"]), "ports": tuple(raw.get("ports", ()))})
