"""What several unit tests share: small services and a recorder that keeps its events."""

from __future__ import annotations

from typing import Any

from daybreak.services.service import CommandCheck, Gate, Service, Tier
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.recorder import Recorder


def service(name: str, tier: Tier = Tier.APP, *gates: str, **rest: Any) -> Service:
    """A service whose gates are commands of the same name, answered by the fake backend's script."""
    made = tuple(Gate(gate, CommandCheck((gate,))) for gate in gates)
    return Service(name=name, tier=tier, argv=("run", name), cwd="/", gates=made, **rest)


class Recording:
    """A recorder and everything it recorded."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.recorder = Recorder([self.events.append])

    def of(self, kind: Kind) -> list[str | None]:
        """The services that such events were about, in order."""
        return [event.service for event in self.events if event.kind is kind]
