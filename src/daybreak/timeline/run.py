"""One run: a command, or a recovery, from its begin to its end, and what it ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daybreak.timeline.event import Outcome, RunKind
from daybreak.timeline.receipt import Receipt


def what(kind: str, way: str | None) -> str:
    """A kind of run in words."""
    return f"{kind} ({way})" if way else str(kind)


@dataclass(frozen=True)
class Run:
    """What the history keeps of one run beside its events.

    `began_wall` is seconds since 1970, for display. `duration_s` is the whole run, `ready_after_s` until the
    applications were ready, `first_response_s` until the first request was answered; each None where it was not
    measured. `error` is why a run failed. `versions` and `machine` are plain JSON values. `way` is that of
    a restart: None for other runs, and for restarts of a time without ways. `receipt` is what the gateway counted
    meanwhile, where there was one.
    """

    id: int
    kind: RunKind
    began_wall: float
    outcome: Outcome = Outcome.RUNNING
    workers: int = 0
    warm: bool = False
    versions: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    spec_digest: str = ""
    duration_s: float | None = None
    ready_after_s: float | None = None
    first_response_s: float | None = None
    error: str | None = None
    way: str | None = None
    receipt: Receipt | None = None

    @property
    def what(self) -> str:
        """Its kind, with the way of a restart."""
        return what(self.kind, self.way)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": str(self.kind),
            "began_wall": self.began_wall,
            "outcome": str(self.outcome),
            "workers": self.workers,
            "warm": self.warm,
            "versions": dict(self.versions),
            "machine": dict(self.machine),
            "spec_digest": self.spec_digest,
            "duration_s": self.duration_s,
            "ready_after_s": self.ready_after_s,
            "first_response_s": self.first_response_s,
            "error": self.error,
            "way": self.way,
            "receipt": self.receipt and self.receipt.to_json(),
        }
