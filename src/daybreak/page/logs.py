"""Logs for the page: the last lines of a service's files, then what is added to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from daybreak import logfiles
from daybreak.page.words import clean
from daybreak.paths import ClusterPaths

LAST_LINES = 200
LAST_OF_OTHERS = 50
# Of one file, in one look. Who writes faster than this is read with gaps.
MOST_BYTES = 128 * 1024
MOST_LINES = 500


@dataclass(frozen=True)
class Line:
    """A line, and the file it is from: the service's own where `label` is empty."""

    label: str
    text: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


class Follower:
    """Reads one service's files, each from where the last look ended. Blocking: to be called in a thread."""

    def __init__(self, paths: ClusterPaths, service: str) -> None:
        self._paths = paths
        self._service = service
        self._positions: dict[Path, int] = {}

    def last(self) -> list[Line]:
        """The last lines: fewer of Ray's files than of the service's own, which stands last."""
        files = list(logfiles.files(self._paths, [self._service]))
        found = []
        for label, path in reversed(files):
            name = self._short(label)
            count = LAST_OF_OTHERS if name else LAST_LINES
            found += [Line(name, clean(text)) for text in logfiles.last_lines(path, count, self._positions, MOST_BYTES)]
        return found

    def more(self) -> list[Line]:
        """What was written since."""
        return list(self._more())[-MOST_LINES:]

    def _more(self) -> Iterator[Line]:
        for label, path in logfiles.files(self._paths, [self._service]):
            name = self._short(label)
            if self._is_far_behind(path):
                yield Line(name, "… lines left out: they come faster than they can be shown")
                lines = logfiles.last_lines(path, LAST_LINES, self._positions, MOST_BYTES)
            else:
                lines = logfiles.new_lines(path, self._positions, MOST_BYTES)
            for text in lines:
                yield Line(name, clean(text))

    def _is_far_behind(self, path: Path) -> bool:
        try:
            return path.stat().st_size - self._positions.get(path, 0) > 2 * MOST_BYTES
        except OSError:
            return False

    def _short(self, label: str) -> str:
        return label.removeprefix(self._service).removeprefix("/")
