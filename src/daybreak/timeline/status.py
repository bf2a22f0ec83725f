"""The status of a cluster at one moment: what the keeper answers, and `status --json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from daybreak.states import ClusterState, Health, PageState, ServiceState


@dataclass(frozen=True)
class ServiceStatus:
    """One service as people see it.

    `since` is seconds since 1970 of the last change of `state`. A service that failed keeps its reason, and `tail`, the
    lines that go with it, until it is started again: taking it down is no news beside that. `group` is that of a worker
    node, empty for all else; `schedule` has of what is scheduled when it runs `next` (seconds since 1970), and its
    `last` run.
    """

    name: str
    tier: str = ""
    state: ServiceState = ServiceState.STOPPED
    health: Health = Health.NOT_CHECKED
    reason: str = ""
    pid: int | None = None
    instance: str | None = None
    generation: int | None = None
    since: float = 0.0
    started: float | None = None
    ready_after_s: float | None = None
    restarts: int = 0
    passed: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    schedule: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> ServiceStatus:
        known = _known(cls, raw)
        types = {"state": ServiceState, "health": Health, "passed": tuple, "tail": tuple}
        return cls(**known | {key: made(known[key]) for key, made in types.items() if key in known})


@dataclass(frozen=True)
class PageStatus:
    """Whether the page is served, and where; `reason` says why it failed."""

    state: PageState = PageState.OFF
    url: str | None = None
    reason: str = ""

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> PageStatus:
        return cls(PageState(str(raw.get("state"))), raw.get("url"), raw.get("reason", ""))


@dataclass(frozen=True)
class PauseStatus:
    """Requests wait in the gateway because somebody has asked for it, since so many seconds since 1970; with a `page`
    they get that instead."""

    since: float = 0.0
    page: bool = False

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> PauseStatus:
        return cls(float(raw.get("since") or 0.0), bool(raw.get("page")))


@dataclass(frozen=True)
class VersionStatus:
    """Which version of the applications serves; `rolled_back`: from its own folder, not as the spec's has it now."""

    number: int
    rolled_back: bool = False

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> VersionStatus:
        return cls(int(raw["number"]), bool(raw.get("rolled_back")))


@dataclass(frozen=True)
class KeptStatus:
    """The generation before is kept for a way back `until` then (seconds since 1970), and takes `memory_bytes`
    meanwhile. Its `version` is None where none is known."""

    version: int | None
    until: float
    memory_bytes: int = 0

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> KeptStatus:
        return cls(raw.get("version"), float(raw.get("until") or 0.0), int(raw.get("memory_bytes") or 0))


@dataclass(frozen=True)
class Snapshot:
    """A cluster.

    `workers` is how many are wanted, `groups` how many of each group. `version` is None where none was kept of what
    serves, `kept` where no generation before is. `run` is what is under way; `absent` says of services why they are not
    there; `serving` is what Serve tells of its applications, or why nobody knows (`unknown`). `traffic` is what the
    gateway tells of requests: how many came within the last `seconds`, and in all, by application; None where there is
    no gateway. `alerts` are those that are `firing`, and the `destinations` that are told of them. `last_failure` says
    why nothing runs, where the last run failed: its `kind`, `wall` (seconds since 1970) and `error`. `hosts` are the
    other machines that have joined: `name`, `address`, `state` with a `reason`, `nodes`, and when each was last heard.
    """

    name: str
    state: ClusterState
    keeper_pid: int | None = None
    daybreak: str | None = None
    generation: int = 0
    workers: int = 0
    groups: Mapping[str, int] = field(default_factory=dict)
    ray: str | None = None
    backend: str | None = None
    root: str = ""
    version: VersionStatus | None = None
    kept: KeptStatus | None = None
    run: str | None = None
    urls: Mapping[str, str] = field(default_factory=dict)
    page: PageStatus = PageStatus()
    pause: PauseStatus | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    services: tuple[ServiceStatus, ...] = ()
    serving: Mapping[str, Any] = field(default_factory=dict)
    traffic: Mapping[str, Any] | None = None
    alerts: Mapping[str, Any] = field(default_factory=dict)
    last_failure: Mapping[str, Any] | None = None
    hosts: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        for name in ("last_failure", "hosts"):
            if not found[name]:
                del found[name]
        for row in found["services"]:
            if row["schedule"] is None:
                del row["schedule"]
        return found

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Snapshot:
        """From what a keeper of any version answers: what it does not tell, or tells beyond this, is left out."""
        typed: dict[str, Any] = {
            "state": ClusterState(str(raw.get("state"))),
            "page": PageStatus.from_json(raw.get("page") or {}),
            "pause": PauseStatus.from_json(raw["pause"]) if raw.get("pause") else None,
            "version": VersionStatus.from_json(raw["version"]) if raw.get("version") else None,
            "kept": KeptStatus.from_json(raw["kept"]) if raw.get("kept") else None,
            "notes": tuple(raw.get("notes") or ()),
            "services": tuple(ServiceStatus.from_json(row) for row in raw.get("services") or ()),
            "serving": raw.get("serving") or {},
            "alerts": raw.get("alerts") or {},
            "hosts": tuple(raw.get("hosts") or ()),
        }
        return cls(**{"name": ""} | _known(cls, raw) | typed)


def _known(cls: type[ServiceStatus] | type[Snapshot], raw: Mapping[str, Any]) -> dict[str, Any]:
    return {each.name: raw[each.name] for each in fields(cls) if each.name in raw}
