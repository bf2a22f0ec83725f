"""Which cluster is meant, and its spec: from a file, from options, from what it was last started with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.keeper.control import owner
from daybreak.keeper.control.spec_sources import Given, belongs_elsewhere, is_of, stored_of
from daybreak.paths import ClusterPaths
from daybreak.spec import find_spec
from daybreak.spec.find import Files, cluster_here
from daybreak.spec.groups import Counts

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec

__all__ = ["belongs_elsewhere", "goes_on_without_a_file", "load", "resolve_name", "started_by_dev", "stored_values"]


def resolve_name(name: str | None) -> str:
    """The name that was given, else that of the current folder's cluster.

    Raises UsageError where a cluster of that name is another folder's.
    """
    if name:
        return name
    folder = Path.cwd()
    found = cluster_here(folder)
    owner.require(ClusterPaths.of(found), folder, owner.use_hint(found))
    return found


def started_by_dev(name: str) -> bool:
    """Has the cluster what `daybreak dev` adds to a spec?"""
    stored = stored_of(name)
    return stored is not None and stored.by_dev


def stored_values(name: str) -> Mapping[str, Any] | None:
    """What the cluster was last started with, without what `dev` and tests add: the spec's values, of which no model is
    made. None for a cluster that never was."""
    stored = stored_of(name)
    return None if stored is None else stored.spec


def goes_on_without_a_file(name: str | None, folder: Path) -> bool:
    """Does `up` without any option mean what the cluster was last started with? One that is named, or the folder's."""
    if find_spec(folder) is not None:
        return False
    stored = stored_of(resolve_name(name))
    return stored is not None and (name is not None or is_of(stored, resolve_name(None), folder))


def load(
    file: Files = None,
    *,
    name: str | None = None,
    app: str | None = None,
    workers: Counts | None = None,
    port_offset: int | None = None,
    backend: str | None = None,
    profiles: Iterable[str] | None = None,
    folder: str | Path | None = None,
    as_stored: bool = False,
) -> LoadedSpec:
    """The spec of a folder (the current one), with options on top. Where there is no file, they are laid over what the
    cluster was last started with; a new cluster's spec is made from options alone. `as_stored`: as if there were none.

    Of several files each is laid over those before it; the folder's has `daybreak.override.yaml` over it. Without
    `backend` that of the last `up` which was given one counts, else the file's; without `profiles` those of
    DAYBREAK_PROFILES, else those of the last `up`. Raises SpecError with every problem found.
    """
    given = Given.of(file, folder, name, app, workers, port_offset, backend, profiles, as_stored=as_stored)
    return given.load()
