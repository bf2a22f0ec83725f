"""What daybreak does, as functions: the command line is a thin layer over these.

Every function that changes something talks to the cluster's keeper and returns its status afterwards. Errors are
`DaybreakError`s; see `daybreak.errors`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.errors import NotRunning, RemoteError
from daybreak.keeper import client, owner
from daybreak.keeper.wanted import WantedState
from daybreak.paths import ClusterPaths
from daybreak.spec import cluster_name, find_spec

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec

OnMessage = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Cluster:
    """A cluster's status at one moment.

    `urls` maps `serve`, `dashboard` and the user's services to where they answer; `services` is one mapping per
    service (name, tier, state, health, reason, pid, restarts, ...); `state` is one word: ready, starting, degraded,
    stopping or stopped.
    """

    name: str
    state: str
    workers: int = 0
    urls: Mapping[str, str] = field(default_factory=dict)
    services: tuple[Mapping[str, Any], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_snapshot(cls, raw: Mapping[str, Any]) -> Cluster:
        return cls(raw["name"], raw["state"], raw["workers"], raw["urls"], tuple(raw["services"]), raw)

    def env(self) -> dict[str, str]:
        """The variables that reach the cluster and its databases; secrets are read from their files."""
        found = environment(self.name)
        return {**found["values"], **{key: Path(path).read_text().strip() for key, path in found["files"].items()}}


def resolve_name(name: str | None) -> str:
    """The name that was given, else that of the current folder's cluster.

    Raises UsageError where a cluster of that name is another folder's.
    """
    if name:
        return name
    folder = Path.cwd()
    found = cluster_name(folder, find_spec(folder))
    owner.require(ClusterPaths.of(found), folder, owner.use_hint(found))
    return found


def belongs_elsewhere(name: str, folder: Path) -> bool:
    """Is there a cluster of this name that is another folder's?"""
    found = owner.Owner.load(ClusterPaths.of(name))
    return found is not None and found.is_elsewhere(folder)


def goes_on_without_a_file(name: str | None, folder: Path) -> bool:
    """Does `up` without any option mean what the cluster was last started with? One that is named, or the folder's."""
    if find_spec(folder) is not None:
        return False
    stored = _stored(resolve_name(name))
    return stored is not None and (name is not None or _is_of(stored, resolve_name(None), folder))


def _is_of(stored: WantedState, name: str, folder: Path) -> bool:
    """Was it started from this folder, whatever the folder's path was then? Nobody's has only its path."""
    found = owner.Owner.load(ClusterPaths.of(name))
    return (found is not None and found.is_at(folder)) or Path(stored.base).resolve() == folder.resolve()


def load(
    file: str | Path | None = None,
    *,
    name: str | None = None,
    app: str | None = None,
    workers: int | None = None,
    port_offset: int | None = None,
    backend: str | None = None,
    folder: str | Path | None = None,
    as_stored: bool = False,
) -> LoadedSpec:
    """The spec of a folder (the current one), with options on top. Where there is no file, they are laid over what the
    cluster was last started with; a new cluster's spec is made from options alone. `as_stored`: as if there were none.

    Without `backend` that of the last `up` which was given one counts, else the file's. Raises SpecError with every
    problem found.
    """
    # Imported here: validating takes pydantic, which `status` and `logs` must not wait for.
    from daybreak.spec import load_spec, without_file

    place = Path(folder or ".").resolve()
    found = Path(file) if file else None if as_stored else find_spec(place)
    overrides: dict[str, Any] = {}
    if port_offset is not None:
        overrides["ports"] = {"offset": port_offset}
    backend = backend or _remembered_backend(name or cluster_name(place, found))
    if backend is not None:
        overrides["backend"] = backend
    if found is None:
        stored = _stored_for(place, name, of_this_folder=app is not None or folder is not None)
        if stored is None:
            return without_file(place, name=name, app=app, workers=workers, overrides=overrides)
        given = {} if app is None else {"serve": {**stored.spec.get("serve", {}), **_only(app)}}
        below = {**stored.spec, **given}
        again = without_file(Path(stored.base), workers=workers, overrides=overrides, below=below)
        return replace(again, source=Path(stored.source) if stored.source else None)
    if name is not None:
        overrides["name"] = name
    if workers is not None:
        overrides["workers"] = {"count": workers}
    if app is not None:
        overrides["serve"] = _only(app)
    return load_spec(found, overrides=overrides)


def _only(app: str) -> dict[str, Any]:
    """This application and no other."""
    return {"applications": [{"import": app}], "config": None}


def _stored_for(place: Path, name: str | None, *, of_this_folder: bool) -> WantedState | None:
    """What options are laid over: what the folder's cluster was last started with, or one that is named. What is
    `of_this_folder`, such as an application, is never laid over what another folder has started."""
    wanted = name or cluster_name(place, None)
    if not belongs_elsewhere(wanted, place):
        stored = _stored(wanted)
        return stored.with_changes(base=str(place)) if stored and _is_of(stored, wanted, place) else None
    return _stored(wanted) if name and not of_this_folder else None


def _stored(name: str) -> WantedState | None:
    """What the cluster was last started with."""
    return WantedState.load(ClusterPaths.of(name).wanted)


def _remembered_backend(name: str) -> str | None:
    """What `up` was last told on the command line."""
    stored = _stored(name)
    return stored.backend if stored else None


def up(
    spec: LoadedSpec | None = None,
    *,
    workers: int | None = None,
    backend: str | None = None,
    keep: bool = False,
    take_over: bool = False,
    on_message: OnMessage | None = None,
) -> Cluster:
    """Start everything that is not running, or change what differs; returns when all of it is ready.

    `keep` leaves what came up running where something else failed. `backend`, where given, counts for later calls, too.
    `take_over` makes a cluster that belongs to another folder the spec's folder's; UsageError is raised without it.
    """
    spec = spec or load(backend=backend)
    fields = {"workers": workers, "keep": keep, "backend": backend, **_shell()}
    return _apply(spec.spec.name, _payload(spec, take_over) | fields, on_message)


def up_again(
    name: str | None = None,
    *,
    workers: int | None = None,
    backend: str | None = None,
    keep: bool = False,
    on_message: OnMessage | None = None,
) -> Cluster:
    """`up` with the spec of the last `up`, for a cluster without a file."""
    wanted = resolve_name(name)
    fields = {"workers": workers, "keep": keep, "backend": backend, **_shell(), **_here(wanted)}
    return _apply(wanted, fields, on_message)


def restart(
    spec: LoadedSpec | None = None,
    *,
    name: str | None = None,
    keep: bool = False,
    take_over: bool = False,
    on_message: OnMessage | None = None,
) -> Cluster:
    """Replace the app tier; databases stay up. Without a spec the stored one is used. `take_over` as for `up`.

    Raises NotRunning where nothing of the cluster runs: a start is asked for by `up`.
    """
    fields: dict[str, Any] = {"restart": True, "keep_workers": True, "keep": keep, **_shell()}
    wanted = spec.spec.name if spec else resolve_name(name)
    require_something(wanted)
    fields |= _payload(spec, take_over) if spec else _here(wanted)
    return _apply(wanted, fields, on_message)


def require_something(name: str) -> None:
    """Raise NotRunning where there is nothing to restart."""
    paths = ClusterPaths.of(name)
    if not client.anything_recorded(paths):
        raise NotRunning(name, "there is nothing to restart")


def scale(workers: int, *, name: str | None = None, on_message: OnMessage | None = None) -> Cluster:
    """Change the number of workers of a running cluster."""
    return _apply(resolve_name(name), {"workers": workers, "only_running": True}, on_message, start=False)


def prewarm(spec: LoadedSpec | None = None, *, take_over: bool = False, on_message: OnMessage | None = None) -> Cluster:
    """Start the warm template and nothing else: a later `up` finds its imports done. Nothing where the cluster runs."""
    spec = spec or load()
    fields = _payload(spec, take_over) | _shell()
    done = _request(ClusterPaths.of(spec.spec.name), "prewarm", fields, on_message)
    return Cluster.from_snapshot(done["status"])


def down(name: str | None = None, *, volumes: bool = False, on_message: OnMessage | None = None) -> Mapping[str, Any]:
    """Stop everything; with `volumes` delete the databases' data as well. Nothing running is no error."""
    paths = ClusterPaths.of(resolve_name(name))
    if not paths.root.exists():
        return {}
    return _request(paths, "down", {"volumes": volumes}, on_message)


def status(name: str | None = None) -> Cluster:
    """What runs now. A keeper that was killed is started again, and adopts what it finds."""
    paths = ClusterPaths.of(resolve_name(name))
    if not client.answers(paths) and not client.anything_recorded(paths):
        return Cluster(paths.name, "stopped", raw=stopped_snapshot(paths) | {"last_failure": _last_failure(paths)})
    with client.request(paths, "status") as connection:
        return Cluster.from_snapshot(connection.result())


def stopped_snapshot(paths: ClusterPaths) -> dict[str, Any]:
    """The status of a cluster that nothing is left of."""
    return {
        "name": paths.name,
        "state": "stopped",
        "workers": 0,
        "urls": {},
        "services": [],
        "keeper_pid": None,
        "page": {"state": "off", "url": None, "reason": ""},
        "absent": {},
        "notes": [],
        "root": str(paths.root),
    }


def _last_failure(paths: ClusterPaths) -> dict[str, Any] | None:
    """Why nothing runs, where the last run failed: `kind`, `wall` (seconds since 1970) and `error` of that run."""
    from daybreak.timeline.event import Outcome
    from daybreak.timeline.store import Store

    with Store(paths.timeline, read_only=True) as store:
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


def page(name: str | None = None, *, login: bool = False) -> dict[str, Any]:
    """Where the page is: `state` (listening, failed, off), `url`, `reason`; with `login` an address that logs in once.

    Raises KeeperError where the cluster is not running.
    """
    paths = ClusterPaths.of(resolve_name(name))
    with client.request(paths, "page", start=client.anything_recorded(paths), login=login) as connection:
        found: dict[str, Any] = connection.result()
        return found


def plan(
    spec: LoadedSpec | None = None, *, workers: int | None = None, restart: bool = False, take_over: bool = False
) -> dict[str, Any]:
    """What `up` (or `restart`) would do, and why: lists `stop`, `start` and `keep`, and `notes` on what Serve is told
    otherwise than the user has it. Changes nothing."""
    spec = spec or load()
    paths = ClusterPaths.of(spec.spec.name)
    with client.request(
        paths, "plan", **_payload(spec, take_over), workers=workers, restart=restart, keep_workers=restart
    ) as connection:
        found: dict[str, Any] = connection.result()
        return found


@contextlib.contextmanager
def cluster(
    *,
    workers: int | None = None,
    app: str | None = None,
    file: str | Path | None = None,
    name: str | None = None,
    folder: str | Path | None = None,
    port_offset: int | None = None,
    backend: str | None = None,
) -> Iterator[Cluster]:
    """A cluster for the length of a `with` block: started on entry, stopped on exit if it was not running before."""
    spec = load(file, name=name, app=app, workers=workers, folder=folder, port_offset=port_offset, backend=backend)
    before = status(spec.spec.name).state
    try:
        yield up(spec, backend=backend)
    finally:
        if before == "stopped":
            down(spec.spec.name)


def _payload(spec: LoadedSpec, take_over: bool) -> dict[str, Any]:
    return {
        "take_over": take_over,
        "spec": spec.spec.model_dump(mode="json", by_alias=True),
        "base": str(spec.base),
        "source": str(spec.source) if spec.source else None,
    }


def _here(name: str) -> dict[str, Any]:
    """Where the cluster's folder is by now, for one whose spec is stored: it may have been moved."""
    here = Path.cwd()
    found = owner.Owner.load(ClusterPaths.of(name))
    return {"base": str(here)} if found and found.is_at(here) else {}


def _shell() -> dict[str, Any]:
    """This process's environment: what is started anew gets it, whichever shell the keeper was started from."""
    return {"environment": dict(os.environ)}


def _apply(name: str, fields: dict[str, Any], on_message: OnMessage | None, *, start: bool = True) -> Cluster:
    paths = ClusterPaths.of(name)
    if not start and not client.answers(paths) and not client.anything_recorded(paths):
        raise NotRunning(name)
    done = _request(paths, "apply", fields, on_message)
    return Cluster.from_snapshot(done["status"])


def _request(paths: ClusterPaths, op: str, fields: dict[str, Any], on_message: OnMessage | None) -> dict[str, Any]:
    """One request that changes something; Ctrl-C cancels it and waits until what it started has been taken down."""
    with client.request(paths, op, pid=os.getpid(), **fields) as connection:
        while True:
            try:
                for message in connection:
                    if "error" in message:
                        raise RemoteError(message["error"])
                    if "result" in message:
                        return dict(message["result"])
                    if on_message:
                        on_message(message)
            except KeyboardInterrupt:
                if on_message:
                    on_message({"note": "interrupted: taking down what this run has started"})
                with client.request(paths, "cancel", start=False, pid=os.getpid()) as cancelling:
                    cancelling.result()
