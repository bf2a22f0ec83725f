"""What changes a cluster. Every function but `down` returns its status afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.api.asking import Cluster, status
from daybreak.api.loading import load, resolve_name
from daybreak.api.requests import OnMessage, here, payload, request, shell
from daybreak.errors import NotRunning, UsageError
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths
from daybreak.run.canary import parse_steps
from daybreak.spec.quantities import parse_seconds
from daybreak.states import ClusterState
from daybreak.timeline.receipt import Receipt

if TYPE_CHECKING:
    from daybreak.api.reading import ReadSpec
    from daybreak.spec import LoadedSpec
    from daybreak.spec.groups import Counts


def up(
    spec: LoadedSpec | ReadSpec | None = None,
    *,
    workers: Counts | None = None,
    backend: str | None = None,
    keep: bool = False,
    take_over: bool = False,
    changed_only: bool = False,
    hooks: bool = True,
    on_message: OnMessage | None = None,
) -> Cluster:
    """Start everything that is not running, or change what differs; returns when all of it is ready.

    Where the applications' code has changed they are replaced as `restart` would; with `changed_only` those of their
    deployments alone that are made of it, where an import says so.

    `keep` leaves what came up running where something else failed. `backend`, where given, counts for later calls, too.
    `take_over` makes a cluster that belongs to another folder the spec's folder's; UsageError is raised without it.
    Without `hooks` the commands of that section are left out.
    """
    spec = spec or load(backend=backend)
    fields = {"workers": workers, "keep": keep, "backend": backend, "changed_only": changed_only, **shell()}
    fields["hooks"] = hooks
    return _apply(spec.name, payload(spec, take_over) | fields, on_message)


def up_again(
    name: str | None = None,
    *,
    workers: Counts | None = None,
    backend: str | None = None,
    keep: bool = False,
    hooks: bool = True,
    on_message: OnMessage | None = None,
) -> Cluster:
    """`up` with the spec of the last `up`, for a cluster without a file."""
    wanted = resolve_name(name)
    fields = {"workers": workers, "keep": keep, "backend": backend, "hooks": hooks, **shell(), **here(wanted)}
    return _apply(wanted, fields, on_message)


def restart(
    spec: LoadedSpec | ReadSpec | None = None,
    *,
    name: str | None = None,
    keep: bool = False,
    take_over: bool = False,
    way: str | None = None,
    keep_old: str | float | None = None,
    canary: str | None = None,
    rehearse: bool = False,
    hooks: bool = True,
    on_message: OnMessage | None = None,
) -> Cluster:
    """Replace the app tier; databases stay up. Without a spec the stored one is used. `take_over` as for `up`.

    `way` is `redeploy` (the applications and your services alone, new replicas first), `replace` (a new app tier beside
    the old one, which ends when that serves) or `in-place` (all of it stops, then starts); without it the best one that
    can be is chosen. `keep_old`, a duration such as "5m" or seconds, keeps the old app tier's processes stopped for so
    long, so that `rollback` returns to them within a moment. `canary`, such as "10%,50%:1m", lets a part of the
    requests go to the new one first, for 10 s where nothing else is said, and all of them only where it answers as
    well. With `rehearse` it must first answer the last requests that the gateway has kept as the old one does. The way
    is `replace` with all three. Raises UsageError where the way cannot be, before anything is changed, and
    NotRunning where nothing of the cluster runs: a start is asked for by `up`.
    """
    fields: dict[str, Any] = {"restart": True, "keep_workers": True, "keep": keep, "hooks": hooks, **shell()}
    fields |= _way(way, keep_old, canary, rehearse)
    wanted = spec.name if spec else resolve_name(name)
    require_something(wanted)
    fields |= payload(spec, take_over) if spec else here(wanted)
    return _apply(wanted, fields, on_message)


def _way(way: str | None, keep_old: str | float | None, canary: str | None, rehearse: bool) -> dict[str, Any]:
    """Raises UsageError for what is no duration, and for a way that never has both app tiers."""
    if keep_old is None and canary is None and not rehearse:
        return {"way": way}
    if way not in (None, "replace"):
        what = "compared with the new one" if keep_old is None else "kept"
        raise UsageError(
            f"the old app tier is {what} where it is replaced, not by the way {way!r}; nothing was changed"
        )
    try:
        kept_s = None if keep_old is None else parse_seconds(keep_old)
    except ValueError as error:
        raise UsageError(f"how long the old app tier is kept: {error}; nothing was changed") from None
    try:
        if canary is not None:
            parse_steps(canary)
    except ValueError as error:
        raise UsageError(f"the canary's steps: {error}; nothing was changed") from None
    return {"way": "replace", "keep_old": kept_s, "canary": canary, "rehearse": rehearse}


def restart_application(
    application: str, *, name: str | None = None, keep: bool = False, on_message: OnMessage | None = None
) -> Cluster:
    """Deploy one application anew as it is wanted now, new replicas first; the others stay as they are.

    Raises UsageError for an application that the cluster does not have, and where it cannot be redeployed; NotRunning
    where nothing of the cluster runs.
    """
    wanted = resolve_name(name)
    require_something(wanted)
    fields = {"restart": True, "only_running": True, "keep_workers": True, "keep": keep, "way": "redeploy"}
    return changed(ClusterPaths.of(wanted), "apply", {**fields, "application": application, **here(wanted)}, on_message)


def rollback(
    version: int | None = None, *, name: str | None = None, keep: bool = False, on_message: OnMessage | None = None
) -> Cluster:
    """Return to a version of the applications, the one before that which serves without a number; see `versions`.

    Raises UsageError for a version that there is not, and NotRunning where nothing of the cluster runs.
    """
    wanted = resolve_name(name)
    require_something(wanted)
    return changed(ClusterPaths.of(wanted), "rollback", {"version": version, "keep": keep, **here(wanted)}, on_message)


def require_something(name: str) -> None:
    """Raise NotRunning where there is nothing to restart."""
    paths = ClusterPaths.of(name)
    if not client.anything_recorded(paths):
        raise NotRunning(name, "there is nothing to restart")


def scale(workers: Counts, *, name: str | None = None, on_message: OnMessage | None = None) -> Cluster:
    """Change the number of workers of a running cluster: of its one group, or by group, `{"gpu": 2}`."""
    return _apply(resolve_name(name), {"workers": workers, "only_running": True}, on_message, start=False)


def prewarm(spec: LoadedSpec | None = None, *, take_over: bool = False, on_message: OnMessage | None = None) -> Cluster:
    """Start the warm template and nothing else: a later `up` finds its imports done. Nothing where the cluster runs."""
    spec = spec or load()
    fields = payload(spec, take_over) | shell()
    done = request(ClusterPaths.of(spec.name), "prewarm", fields, on_message)
    return Cluster.from_snapshot(done["status"])


def down(
    name: str | None = None,
    *,
    volumes: bool = False,
    keep_warm: float | None = None,
    hooks: bool = True,
    on_message: OnMessage | None = None,
) -> Mapping[str, Any]:
    """Stop everything; with `volumes` delete the databases' data as well. Nothing running is no error. The template
    stays for `keep_warm` seconds, where that is said: an `up` until then is a warm start.

    Raises UsageError where there is no template that could stay.
    """
    paths = ClusterPaths.of(resolve_name(name))
    if not paths.root.exists():
        return {}
    return request(paths, "down", {"volumes": volumes, "hooks": hooks, "keep_warm": keep_warm}, on_message)


@contextlib.contextmanager
def cluster(
    *,
    workers: Counts | None = None,
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
        if before is ClusterState.STOPPED:
            down(spec.spec.name)


def _apply(name: str, fields: dict[str, Any], on_message: OnMessage | None, *, start: bool = True) -> Cluster:
    paths = ClusterPaths.of(name)
    if not start and not client.answers(paths) and not client.anything_recorded(paths):
        raise NotRunning(name)
    return changed(paths, "apply", fields, on_message)


def changed(paths: ClusterPaths, op: str, fields: dict[str, Any], on_message: OnMessage | None) -> Cluster:
    """What the cluster is after a change that its keeper was asked for."""
    done = request(paths, op, fields, on_message)
    counted = Receipt.from_json(done["receipt"]) if done.get("receipt") else None
    return replace(Cluster.from_snapshot(done["status"]), receipt=counted)
