"""The packages of Ray's interpreter: what has been installed, removed or replaced beside `dev`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LOOK_S = 1.0
# An installer writes one package after another.
REST_LOOKS = 2
ASK_S = 30.0
# Where packages are installed, as JSON.
WHERE = "import json, sysconfig; print(json.dumps([sysconfig.get_path(k) for k in ('purelib', 'platlib')]))"
INFOS = (".dist-info", ".egg-info")


@dataclass(frozen=True)
class Packages:
    """What is installed in some folders."""

    folders: frozenset[Path]

    def now(self) -> dict[str, int]:
        """Each one's name and version, as in `numpy-2.1.0`, with the time (ns) of its installation."""
        found: dict[str, int] = {}
        for folder in self.folders:
            try:
                with os.scandir(folder) as entries:
                    infos = [entry for entry in entries if entry.name.endswith(INFOS)]
                found |= {entry.name.rpartition(".")[0]: entry.stat().st_mtime_ns for entry in infos}
            except OSError:  # it is being written
                continue
        return found

    def changes(self, stop: threading.Event) -> Iterator[list[str]]:
        """What differs, each time something has come or gone and no more follows, until `stop`."""
        seen = last = self.now()
        rested = 0
        while not stop.wait(LOOK_S):
            now = self.now()
            rested = rested + 1 if now == last else 0
            last = now
            if now != seen and rested >= REST_LOOKS:
                yield differing(seen, now)
                seen = now


def differing(before: Mapping[str, int], now: Mapping[str, int]) -> list[str]:
    """The names of those that have come, and with a minus in front of those that have gone and not come back."""
    came = sorted(name for name, written in now.items() if before.get(name) != written)
    kinds = {name.partition("-")[0].lower() for name in came}
    gone = sorted(name for name in before.keys() - now.keys() if name.partition("-")[0].lower() not in kinds)
    return [*came, *(f"-{name}" for name in gone)]


def packages_of(python: str | None) -> Packages:
    """Those of an interpreter, of this one where none is named; none where it does not answer."""
    if python is None or os.path.realpath(python) == os.path.realpath(sys.executable):
        return Packages(frozenset(Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")))
    try:
        done = subprocess.run([python, "-c", WHERE], capture_output=True, timeout=ASK_S, check=True)
        return Packages(frozenset(map(Path, json.loads(done.stdout))))
    except (OSError, ValueError, subprocess.SubprocessError):
        return Packages(frozenset())
