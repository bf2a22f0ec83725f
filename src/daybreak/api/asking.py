"""What a cluster is: questions to its keeper, which change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from daybreak.api.loading import load, resolve_name
from daybreak.api.requests import payload, shell
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths
from daybreak.states import ClusterState
from daybreak.timeline.receipt import Receipt
from daybreak.timeline.status import PageStatus, Snapshot

if TYPE_CHECKING:
    from daybreak.api.reading import ReadSpec
    from daybreak.spec import LoadedSpec
    from daybreak.spec.groups import Counts


@dataclass(frozen=True)
class Cluster:
    """A cluster's status at one moment.

    `urls` maps `serve`, `dashboard` and the user's services to where they answer; `services` is one mapping per
    service (name, tier, state, health, reason, pid, restarts, ...); `state` is one word: ready, starting, degraded,
    stopping or stopped. After a restart or a change `receipt` is what the gateway counted meanwhile; None without one.
    """

    name: str
    state: ClusterState
    workers: int = 0
    urls: Mapping[str, str] = field(default_factory=dict)
    services: tuple[Mapping[str, Any], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    receipt: Receipt | None = None

    @classmethod
    def from_snapshot(cls, raw: Mapping[str, Any]) -> Cluster:
        return cls(raw["name"], ClusterState(raw["state"]), raw["workers"], raw["urls"], tuple(raw["services"]), raw)

    @property
    def counts(self) -> Counts:
        """How many workers are wanted: by group where there are several."""
        groups: Mapping[str, int] = self.raw.get("groups") or {}
        return groups if len(groups) > 1 else self.workers

    @property
    def snapshot(self) -> Snapshot:
        """`raw` with types."""
        return Snapshot.from_json(self.raw)

    def env(self) -> dict[str, str]:
        """The variables that reach the cluster and its databases; secrets are read from their files."""
        found = environment(self.name)
        return {**found["values"], **{key: Path(path).read_text().strip() for key, path in found["files"].items()}}


def status(name: str | None = None) -> Cluster:
    """What runs now. A keeper that was killed is started again, and adopts what it finds."""
    paths = ClusterPaths.of(resolve_name(name))
    if not client.answers(paths) and not client.anything_recorded(paths):
        return Cluster(
            paths.name, ClusterState.STOPPED, raw=_stopped_snapshot(paths) | {"last_failure": _last_failure(paths)}
        )
    with client.request(paths, "status") as connection:
        return Cluster.from_snapshot(connection.result())


def _stopped_snapshot(paths: ClusterPaths) -> dict[str, Any]:
    """The status of a cluster that nothing is left of."""
    return {
        "name": paths.name,
        "state": ClusterState.STOPPED,
        "workers": 0,
        "urls": {},
        "services": [],
        "keeper_pid": None,
        "page": asdict(PageStatus()),
        "absent": {},
        "notes": [],
        "root": str(paths.root),
    }


def _last_failure(paths: ClusterPaths) -> dict[str, Any] | None:
    """Why nothing runs, where the last run failed: `kind`, `wall` (seconds since 1970) and `error` of that run."""
    from daybreak.timeline.event import Outcome
    from daybreak.timeline.reader import Reader

    with Reader(paths.timeline) as store:
        last = next(iter(store.runs(limit=1)), None)
    if last is None or last.outcome is not Outcome.FAILED:
        return None
    return {"kind": str(last.kind), "wall": last.began_wall, "error": last.error}


def environment(name: str | None = None) -> dict[str, Any]:
    """`values` and `files` (paths of secrets) by variable name, for reaching a running cluster."""
    paths = ClusterPaths.of(resolve_name(name))
    start = client.anything_recorded(paths)
    with client.request(paths, "env", start=start) as connection:
        found: dict[str, Any] = connection.result()
        return found


class Version(TypedDict):
    """One version: when it was deployed (`wall`, seconds since 1970), by which way (`how`), what it changed, in words,
    and what its files take."""

    number: int
    wall: float
    how: str
    changed: list[str]
    files: int
    size_bytes: int
    serves: bool


def versions(name: str | None = None) -> list[Version]:
    """What was deployed with success and is kept, newest first; nothing for a cluster that was never started."""
    paths = ClusterPaths.of(resolve_name(name))
    if not paths.versions.exists():
        return []
    with client.request(paths, "versions") as connection:
        found: list[Version] = connection.result()["versions"]
        return found


def page(name: str | None = None, *, login: bool = False) -> dict[str, Any]:
    """Where the page is: `state` (listening, failed, off), `url`, `reason`; with `login` an address that logs in once.

    Raises KeeperError where the cluster is not running.
    """
    paths = ClusterPaths.of(resolve_name(name))
    with client.request(paths, "page", start=client.anything_recorded(paths), login=login) as connection:
        found: dict[str, Any] = connection.result()
        return found


def plan(
    spec: LoadedSpec | ReadSpec | None = None,
    *,
    workers: Counts | None = None,
    restart: bool = False,
    take_over: bool = False,
) -> dict[str, Any]:
    """What `up` (or `restart`) would do, and why: lists `stop`, `start` and `keep`, and `notes` on what Serve is told
    otherwise than the user has it. Changes nothing."""
    spec = spec or load()
    paths = ClusterPaths.of(spec.name)
    with client.request(
        paths, "plan", **payload(spec, take_over), **shell(), workers=workers, restart=restart, keep_workers=restart
    ) as connection:
        found: dict[str, Any] = connection.result()
        return found
