"""The one event type. Terminal, history, page and metrics all read this stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from daybreak.names import SERVE


class Kind(StrEnum):
    """What can happen. The comment behind each names the keys of `data` (durations in seconds)."""

    RUN_BEGAN = "run_began"  # run_kind, workers, warm, versions, machine, spec_digest, way (None but for a restart)
    PLANNED = "planned"  # stop: [names], start: [names], keep: [names]
    STOPPING = "stopping"  # why
    STOPPED = "stopped"  # after_s, killed (processes that had to be killed)
    NOT_ENDED = "not_ended"  # reason: what was told to stop is still there
    WAITING = "waiting"  # for: [service or service.gate]
    PREPARING = "preparing"  # name
    STARTING = "starting"  # why, instance, waited_s, last_need (the need that was met last, or None)
    GATE_PASSED = "gate_passed"  # gate, attempts, after_s (since STARTING), poll_s (the last interval slept)
    NOT_YET = "not_yet"  # gate, reason, stage (of a deployment): only when the reason changes
    READY = "ready"  # after_s (since STARTING)
    FAILED = "failed"  # reason, exit_code, log, tail
    COMPLETED = "completed"  # a service that need not go on ended with exit code 0
    EXITED = "exited"  # exit_code, reason: a service that was running ended by itself
    BACKING_OFF = "backing_off"  # delay_s, restarts
    HEALTH = "health"  # status: healthy | failing | unhealthy, reason: what the checks of a running service tell
    SERVING = "serving"  # status: healthy | degraded | unhealthy | unknown, reason, applications: what Serve tells
    UNKNOWN = "unknown"  # reason: nobody can tell now whether a service runs
    ADOPTED = "adopted"  # pid, instance, ready (False: nobody knows whether it ever was), done (it has completed)
    NOTE = "note"  # text, level
    RUN_ENDED = "run_ended"  # outcome, error, duration_s, receipt (where there is a gateway)


class RunKind(StrEnum):
    """Which command, or which event, a run belongs to."""

    STARTUP = "startup"  # `up` with no app tier running
    CHANGE = "change"  # `up` or `scale` on a running cluster
    RESTART = "restart"
    STOP = "stop"
    PREWARM = "prewarm"  # the template alone
    RECOVERY = "recovery"  # the keeper restarting what crashed


class Outcome(StrEnum):
    """How a run ended. Only OK counts in the medians."""

    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    `at_s` is seconds since the run began (monotonic clock; since the keeper began outside of runs), `wall` is seconds
    since 1970 for display only, `run` is the run's id in the store or None outside of runs.
    """

    kind: Kind
    at_s: float
    wall: float
    service: str | None = None
    run: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": str(self.kind),
            "at_s": round(self.at_s, 6),
            "wall": self.wall,
            "service": self.service,
            "run": self.run,
            "data": dict(self.data),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Event:
        return cls(
            kind=Kind(raw["kind"]),
            at_s=float(raw["at_s"]),
            wall=float(raw["wall"]),
            service=raw.get("service"),
            run=raw.get("run"),
            data=raw.get("data") or {},
        )


def is_first_response(event: Event) -> bool:
    """Whether the applications answered for the first time in their run: what a start is measured by."""
    return event.kind is Kind.READY and event.service == SERVE
