"""What the applications are made of outside of the spec's folder, as their deployment has noted it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Elsewhere:
    """The files of these books, each of one app tier. A book is read again when it was written again."""

    books: Iterable[Path]
    _read: dict[Path, tuple[int, frozenset[Path]]] = field(default_factory=dict)

    def __call__(self) -> frozenset[Path]:
        return frozenset().union(*map(self._files, self.books))

    def _files(self, book: Path) -> frozenset[Path]:
        try:
            written = book.stat().st_mtime_ns
            if self._read.get(book, (0,))[0] != written:
                self._read[book] = written, _outside(json.loads(book.read_text()))
            return self._read[book][1]
        except (OSError, ValueError, KeyError, TypeError):
            return frozenset()


def _outside(book: dict[str, object]) -> frozenset[Path]:
    files = book["files"]
    assert isinstance(files, dict)
    names = (name for name in files if name.startswith(os.pardir))
    return frozenset(Path(os.path.normpath(os.path.join(str(book["folder"]), name))) for name in names)
