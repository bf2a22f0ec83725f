"""What a spec is made of: files, options over them, and what a cluster was last started with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.errors import UsageError
from daybreak.keeper.control import owner
from daybreak.keeper.control.stored_state import Stored
from daybreak.paths import ClusterPaths
from daybreak.spec import cluster_name
from daybreak.spec.find import Files, spec_files
from daybreak.spec.groups import Counts, with_counts

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec


@dataclass(frozen=True)
class Given:
    """What somebody gives in the folder `place` (absolute, links resolved); None where an option is absent.

    `as_stored`: as if the folder had no file. `of_this_folder`: it is meant for this folder's cluster alone.
    """

    place: str
    files: tuple[str, ...] = ()
    name: str | None = None
    app: str | None = None
    workers: Counts | None = None
    port_offset: int | None = None
    backend: str | None = None
    profiles: tuple[str, ...] | None = None
    as_stored: bool = False
    of_this_folder: bool = False

    @classmethod
    def of(
        cls,
        file: Files,
        folder: str | Path | None,
        name: str | None,
        app: str | None,
        workers: Counts | None,
        port_offset: int | None,
        backend: str | None,
        profiles: Iterable[str] | None,
        *,
        as_stored: bool = False,
    ) -> Given:
        """As `daybreak.api.load` takes it."""
        place = Path(folder or ".").resolve()
        files = tuple(map(str, spec_files(file, place))) if file else ()
        asked = None if profiles is None else tuple(profiles)
        here = app is not None or folder is not None
        return cls(str(place), files, name, app, workers, port_offset, backend, asked, as_stored, here)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Given:
        """Raises TypeError or KeyError for what is none."""
        asked = raw["profiles"]
        return cls(**{**raw, "files": tuple(raw["files"]), "profiles": None if asked is None else tuple(asked)})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def with_files(self, files: Iterable[str]) -> Given:
        """The same with other paths of its files."""
        return replace(self, files=tuple(files))

    @property
    def sources(self) -> tuple[Path, ...]:
        """The spec's files."""
        return () if self.as_stored and not self.files else spec_files(self.files, Path(self.place))

    @property
    def cluster(self) -> str:
        """The cluster's name. Raises SpecError where that in a file is not valid."""
        return self.name or cluster_name(Path(self.place), self.sources)

    def load(self) -> LoadedSpec:
        """The spec. Where there is no file, options are laid over what the cluster was last started with; a new
        cluster's spec is made from options alone. Raises SpecError with every problem found, UsageError for numbers of
        workers that cannot be meant."""
        # Imported here: validating takes pydantic, which `status` and `logs` must not wait for.
        from daybreak.spec import load_spec
        from daybreak.spec.profiles import asked_for

        stored = stored_of(self.cluster)
        overrides: dict[str, Any] = {} if self.port_offset is None else {"ports": {"offset": self.port_offset}}
        if backend := self.backend or (stored.backend if stored else None):
            overrides["backend"] = backend
        files = self.sources
        if not files:
            return self._counted(self._without_file(overrides))
        if self.name is not None:
            overrides["name"] = self.name
        if self.app is not None:
            overrides["serve"] = _only(self.app)
        profiles = asked_for(self.profiles, stored.profiles if stored else ())
        return self._counted(load_spec(files, overrides=overrides, profiles=profiles))

    def _counted(self, loaded: LoadedSpec) -> LoadedSpec:
        """The same with these numbers of workers."""
        if self.workers is None:
            return loaded
        try:
            changed = with_counts(loaded.spec.workers, self.workers)
        except ValueError as error:
            raise UsageError(str(error)) from None
        return replace(loaded, spec=loaded.spec.model_copy(update={"workers": changed}))

    def _without_file(self, overrides: dict[str, Any]) -> LoadedSpec:
        """Options laid over what the cluster was last started with; on their own where it never was."""
        from daybreak.spec import without_file
        from daybreak.spec.profiles import Profiles

        place = Path(self.place)
        stored = self._stored(place)
        if stored is None:
            return without_file(place, name=self.name, app=self.app, overrides=overrides)
        given = {} if self.app is None else {"serve": {**stored.spec.get("serve", {}), **_only(self.app)}}
        below = {**stored.spec, **given}
        # What is stored has the services of these profiles, and no others.
        here = Profiles(stored.profiles)
        base = Path(stored.base)
        again = without_file(base, overrides=overrides, below=below, profiles=here)
        return replace(again, source=Path(stored.source) if stored.source else None)

    def _stored(self, place: Path) -> Stored | None:
        """What options are laid over: what the folder's cluster was last started with, or one that is named. What is
        of this folder, such as an application, is never laid over what another folder has started."""
        wanted = self.name or cluster_name(place, None)
        if not belongs_elsewhere(wanted, place):
            stored = stored_of(wanted)
            return replace(stored, base=self.place) if stored and is_of(stored, wanted, place) else None
        return stored_of(wanted) if self.name and not self.of_this_folder else None


def belongs_elsewhere(name: str, folder: Path) -> bool:
    """Is there a cluster of this name that is another folder's?"""
    found = owner.Owner.load(ClusterPaths.of(name))
    return found is not None and found.is_elsewhere(folder)


def is_of(stored: Stored, name: str, folder: Path) -> bool:
    """Was it started from this folder, whatever the folder's path was then? Nobody's has only its path."""
    found = owner.Owner.load(ClusterPaths.of(name))
    return (found is not None and found.is_at(folder)) or Path(stored.base).resolve() == folder.resolve()


def stored_of(name: str) -> Stored | None:
    """What the cluster was last started with."""
    return Stored.load(ClusterPaths.of(name).wanted)


def _only(app: str) -> dict[str, Any]:
    """This application and no other."""
    return {"applications": [{"import": app}], "config": None}
