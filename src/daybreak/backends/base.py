"""What a backend can do: six methods. What all backends share lives above them.

A backend starts, stops and finds services; it does not know needs, gates, health or plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from daybreak.names import ONLY
from daybreak.services.service import Service, StopPolicy, Tier
from daybreak.services.slots import Slot


class State(StrEnum):
    """What observing found: the process runs, what may end has ended well, the main process ended on its own, or
    nobody can tell now: it was there when somebody could."""

    RUNNING = "running"
    COMPLETED = "completed"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Handle:
    """One started instance of a service, with what is needed to find it again.

    `pid`, `started_ticks` (clock ticks since boot) and `boot_id` together name a process for ever; a container is named
    by its labels alone, and has 0, 0 and an empty text there. In another `namespace` of pids the pid means nothing.
    `bound` maps the services whose fate it shares to the instance it was started with.
    `started_wall` is seconds since 1970, for display. A `one_shot`, and what `may_end`, completes with a good end.
    `group` is that of a worker node.
    """

    service: str
    tier: str
    instance: str
    fingerprint: str
    pid: int
    started_ticks: int
    boot_id: str
    started_wall: float
    generation: int = 1
    bound: Mapping[str, str] = field(default_factory=dict)
    stop: StopPolicy = StopPolicy()
    vital: tuple[str, ...] = ()
    one_shot: bool = False
    may_end: bool = False
    state: State = State.RUNNING
    namespace: str = ""
    slot: Slot = Slot.A
    group: str = ""

    @classmethod
    def started(
        cls,
        service: Service,
        instance: str,
        generation: int,
        bound: Mapping[str, str],
        *,
        at_wall: float,
        **process: Any,
    ) -> Handle:
        """That of a service which has just been started. `process` names it: `pid`, `started_ticks`, `boot_id`."""
        return cls(
            service=service.name,
            tier=str(service.tier),
            instance=instance,
            fingerprint=service.fingerprint(),
            started_wall=at_wall,
            generation=generation,
            bound=dict(bound),
            stop=service.stop,
            vital=service.vital,
            one_shot=service.one_shot,
            may_end=service.may_end,
            slot=service.slot,
            group=service.group,
            **process,
        )

    @property
    def is_worker(self) -> bool:
        """A worker node; one that an older daybreak has started says so by its name."""
        return bool(self.group) or (self.tier == Tier.APP and self.service.startswith(f"{ONLY}-"))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Handle:
        values = dict(raw)
        stop = dict(values.pop("stop"))
        stop["afterwards"], stop["deletes"] = tuple(stop["afterwards"]), tuple(stop.get("deletes", ()))
        values["vital"] = tuple(values["vital"])
        values["state"] = State(values["state"])
        values["slot"] = Slot(values.get("slot", Slot.A))
        return cls(**values, stop=StopPolicy(**stop))

    def in_state(self, state: State) -> Handle:
        """The same instance in another state."""
        return replace(self, state=state)

    def ended(self, *, clean: bool) -> Handle:
        """The same instance after its main process has ended by itself."""
        return self.in_state(State.COMPLETED if clean and (self.one_shot or self.may_end) else State.BROKEN)

    @property
    def running_pid(self) -> int | None:
        """None where the process has ended, or nobody can tell."""
        return self.pid if self.state is State.RUNNING else None

    @property
    def done(self) -> bool:
        """Has a service ended well that need not go on? What a one-shot has set up goes on without it."""
        return self.state is State.COMPLETED and not self.one_shot

    def left_behind(self) -> Handle:
        """The same instance, to be ended as what is left of something."""
        return replace(self, stop=self.stop.left_behind())


def in_slot(handles: Iterable[Handle], slot: Slot) -> list[Handle]:
    """Those of the generation in this slot, and of what belongs to none."""
    return [handle for handle in handles if handle.tier != Tier.APP or handle.slot is slot]


@dataclass(frozen=True)
class Exit:
    """How a service ended. `code` is None where it cannot be known (adopted after its parent died);
    `reason` says more, such as a signal's name or the vital process that went first."""

    code: int | None
    reason: str

    @property
    def clean(self) -> bool:
        return self.code == 0


@dataclass(frozen=True)
class Stopped:
    """What stopping took: seconds, and how many processes had to be killed."""

    after_s: float
    killed: int


@dataclass(frozen=True)
class CommandResult:
    """How a command ended: exit code (124 for a timeout) and the last lines of its output."""

    code: int
    output: str


class Backend(Protocol):
    """Where services run."""

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        """Start the service and return at once, before it is ready. Raises ServiceDied."""

    async def stop(self, handle: Handle) -> Stopped:
        """End every process of the instance, following its StopPolicy; idempotent; forgets the instance."""

    async def exited(self, handle: Handle) -> Exit:
        """Wait until the instance ends by itself (or one of its vital processes does)."""

    async def observe(self) -> Sequence[Handle]:
        """Every instance of this cluster that left anything behind, whoever started it, with its state."""

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        """Run a command where the service runs, with its environment: a check or a preparation."""

    async def purge(self, services: Sequence[str]) -> None:
        """Delete the stored data of services that are stopped."""


class Freezes(Protocol):
    """Stops instances in the midst of what they do, and lets them go on later as if nothing had been."""

    async def freeze(self, handles: Sequence[Handle]) -> None:
        """Stop every process of these; again does no harm. Raises DaybreakError where some go on."""

    async def thaw(self, handles: Sequence[Handle]) -> None:
        """Let every process of these go on."""


@runtime_checkable
class TellsHealth(Protocol):
    """A backend whose services may be checked by what they run in."""

    async def health(self, instance: str) -> str:
        """`starting`, `healthy`, `unhealthy`, or `none` where there is no check."""
