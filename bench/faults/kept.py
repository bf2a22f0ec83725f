"""What was found of each row, kept in a file of its own: an interrupted run goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.machine import ROOT

FOLDER = ROOT / "bench" / "results" / "chaos"


@dataclass(frozen=True)
class Kept:
    """One row: what was found, by words that its kind knows (`row`), and when, where and how. `quiet` says that nothing
    else used the machine: else its seconds tell of the machine, and no table has them. `took_s` is with all that goes
    before and after, but without a new cluster."""

    name: str
    row: dict[str, Any]
    machine: Mapping[str, Any]
    began_at: str
    quiet: bool
    load_1min: float
    rate: float
    took_s: float

    @property
    def part(self) -> tuple[str, ...]:
        """What is said of it below the table, once for all rows of the same."""
        gib = self.machine["memory_bytes"] / 1024**3
        where = f"{self.machine['cpu']}, {self.machine['cores']} processors, {gib:.0f} GiB"
        versions = f"Ray {self.machine['ray']}, commit {self.machine['commit']}"
        how = f"{self.rate:g} requests/s" + ("" if self.quiet else ", beside other work: nothing is timed")
        return (self.began_at[:10], where, versions, how)


class Shelf:
    """A folder with a file for each row."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder

    def put(self, kept: Kept) -> None:
        """The file is replaced as a whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self._file(kept.name)
        new = file.with_name(file.name + ".new")
        new.write_text(json.dumps(asdict(kept), indent=1) + "\n")
        os.replace(new, file)

    def get(self, name: str) -> Kept | None:
        try:
            return Kept(**json.loads(self._file(name).read_text()))
        except FileNotFoundError:
            return None

    def is_due(self, name: str, *, quiet: bool) -> bool:
        """Was it never taken, or only beside other work, where it can be better now?"""
        kept = self.get(name)
        return kept is None or (quiet and not kept.quiet)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"
