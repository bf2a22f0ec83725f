"""The spec of a command: read by the cluster's keeper where one runs, which has imported what that takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.errors import NotRunning, Problem, RemoteError, UsageError
from daybreak.keeper.control import client
from daybreak.keeper.control.spec_reading import Reading
from daybreak.keeper.control.spec_sources import Given
from daybreak.paths import ClusterPaths
from daybreak.spec.find import Files
from daybreak.spec.groups import Counts

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec

READ_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class ReadSpec:
    """A valid spec as it travels to a keeper: no model of it was made here. `warnings` are those of a LoadedSpec; what
    is `missing` the keeper has raised already."""

    values: dict[str, Any]
    warnings: tuple[str, ...] = ()
    missing: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """The cluster's."""
        return str(self.values["spec"]["name"])

    def to_json(self) -> dict[str, Any]:
        return self.values


def read(
    file: Files = None,
    *,
    name: str | None = None,
    app: str | None = None,
    workers: Counts | None = None,
    port_offset: int | None = None,
    backend: str | None = None,
    profiles: Iterable[str] | None = None,
    folder: str | Path | None = None,
) -> LoadedSpec | ReadSpec:
    """As `load`, by the keeper where one runs and would come to the same, else here.

    Raises SpecError with every problem found, KeeperError for a keeper that does not answer.
    """
    given = Given.of(file, folder, name, app, workers, port_offset, backend, profiles)
    return _by_the_keeper(given) or given.load()


def _by_the_keeper(given: Given) -> ReadSpec | None:
    """None where it is to be read here."""
    try:
        reading = Reading.of(given)
        if reading is None:
            return None
        paths = ClusterPaths.of(given.cluster)
        with client.request(paths, "read", start=False, reading=reading.to_json()) as connection:
            connection.set_timeout(READ_TIMEOUT_S)
            found = connection.result()
    except (OSError, NotRunning, client.KeeperGone, UsageError, RemoteError):
        # No keeper, one that has gone, or one that does not know the question.
        return None
    made = ReadSpec(found["read"], tuple(found["warnings"])) if found else None
    return made if made and made.name == paths.name else None
