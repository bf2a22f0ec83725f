"""Which cluster is meant, and its spec: from a file, from options, from what it was last started with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.keeper import owner
from daybreak.keeper.wanted import Stored
from daybreak.paths import ClusterPaths
from daybreak.spec import cluster_name, find_spec

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec


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


def _is_of(stored: Stored, name: str, folder: Path) -> bool:
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
    from daybreak.spec import load_spec

    place = Path(folder or ".").resolve()
    found = Path(file) if file else None if as_stored else find_spec(place)
    overrides: dict[str, Any] = {}
    if port_offset is not None:
        overrides["ports"] = {"offset": port_offset}
    backend = backend or _remembered_backend(name or cluster_name(place, found))
    if backend is not None:
        overrides["backend"] = backend
    if found is None:
        of_this_folder = app is not None or folder is not None
        return _without_file(place, name, app, workers, overrides, of_this_folder=of_this_folder)
    if name is not None:
        overrides["name"] = name
    if workers is not None:
        overrides["workers"] = {"count": workers}
    if app is not None:
        overrides["serve"] = _only(app)
    return load_spec(found, overrides=overrides)


def _without_file(
    place: Path,
    name: str | None,
    app: str | None,
    workers: int | None,
    overrides: dict[str, Any],
    *,
    of_this_folder: bool,
) -> LoadedSpec:
    """Options laid over what the cluster was last started with; on their own where it never was."""
    from daybreak.spec import without_file

    stored = _stored_for(place, name, of_this_folder=of_this_folder)
    if stored is None:
        return without_file(place, name=name, app=app, workers=workers, overrides=overrides)
    given = {} if app is None else {"serve": {**stored.spec.get("serve", {}), **_only(app)}}
    below = {**stored.spec, **given}
    again = without_file(Path(stored.base), workers=workers, overrides=overrides, below=below)
    return replace(again, source=Path(stored.source) if stored.source else None)


def _only(app: str) -> dict[str, Any]:
    """This application and no other."""
    return {"applications": [{"import": app}], "config": None}


def _stored_for(place: Path, name: str | None, *, of_this_folder: bool) -> Stored | None:
    """What options are laid over: what the folder's cluster was last started with, or one that is named. What is
    `of_this_folder`, such as an application, is never laid over what another folder has started."""
    wanted = name or cluster_name(place, None)
    if not belongs_elsewhere(wanted, place):
        stored = _stored(wanted)
        return replace(stored, base=str(place)) if stored and _is_of(stored, wanted, place) else None
    return _stored(wanted) if name and not of_this_folder else None


def _stored(name: str) -> Stored | None:
    """What the cluster was last started with."""
    return Stored.load(ClusterPaths.of(name).wanted)


def _remembered_backend(name: str) -> str | None:
    """What `up` was last told on the command line."""
    stored = _stored(name)
    return stored.backend if stored else None
