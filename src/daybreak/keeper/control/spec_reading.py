"""A spec that the keeper reads for a command, which need not import all that takes: pydantic alone is half of its time.

Only where that comes to the same: the code that reads is the command's, and so are the files that the keeper finds at
their paths. Variables and the current folder are the command's, too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import daybreak
from daybreak.keeper.control.spec_sources import Given
from daybreak.paths import ClusterPaths
from daybreak.spec.asker import Asker, on_behalf_of

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec

CODE = Path(__file__).parents[2] / "spec"


def reader() -> str:
    """What reads here: the version, and when its code was last changed."""
    with os.scandir(CODE) as files:
        changed_ns = max(file.stat().st_mtime_ns for file in files if file.name.endswith(".py"))
    return f"{daybreak.__version__} {changed_ns}"


# Taken when the keeper starts: what it has imported by then does not change any more.
READER = reader()


@dataclass(frozen=True)
class Reading:
    """What is given in the folder `here`, with that `environment`. `reader` is the code that reads, `seen` what is
    found at the paths: the folder, the cluster's state folder, the files."""

    given: Given
    here: str
    reader: str
    seen: list[list[int]]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, given: Given) -> Reading | None:
        """As this process would read it; None where only that could: a file that is named by a path which begins
        elsewhere is told by that name. Raises OSError, and SpecError where there is no name of a cluster."""
        here, paths = os.getcwd(), [os.path.abspath(file) for file in given.files]
        for file, path in zip(given.files, paths, strict=True):
            if file != path and os.path.relpath(path, here).startswith(os.pardir):
                return None
        given = given.with_files(paths)
        return cls(given, here, reader(), _seen(given), dict(os.environ))

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Reading | None:
        """None for what another daybreak asks that this one does not understand."""
        try:
            return cls(**{**raw, "given": Given.from_json(raw["given"])})
        except (TypeError, KeyError):
            return None

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "given": self.given.to_json()}

    def read(self) -> LoadedSpec | None:
        """None where this process would read something else than the one that asks. Raises OSError for files that are
        gone, SpecError with every problem found, told as whoever asks knows the files."""
        with on_behalf_of(Asker(self.here, self.environment)):
            if self.reader != READER or self.seen != _seen(self.given):
                return None
            return self.given.load()


def _seen(given: Given) -> list[list[int]]:
    """Each one's identity; that of a file with its last change."""
    folders = [_identity(given.place), _identity(ClusterPaths.of(given.cluster).root)]
    return [*folders, *(_identity(file, changes=True) for file in given.sources)]


def _identity(path: str | Path, *, changes: bool = False) -> list[int]:
    found = os.stat(path)
    return [found.st_dev, found.st_ino, *([found.st_mtime_ns, found.st_size] if changes else [])]
