"""Rows of operations that are killed at random moments: `bench.kills`, a few rounds at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.commands import RunFailed
from bench.killing.kills import SUBJECTS
from bench.machine import ROOT

ROUNDS = 50
# Of so many rounds the first `up` and `down`, and the one that tells how long it usually takes, are a small part.
AT_ONCE = 10
ROUND_S = 600.0
REQUIRED = "it serves after `up`, nothing is left after `down`"


@dataclass(frozen=True)
class Killed:
    """One operation; `command` is its words."""

    command: str

    @property
    def name(self) -> str:
        return f"killed-{self.command.replace(' ', '').replace('--', '-')}"

    @property
    def title(self) -> str:
        return f"`daybreak {self.command}` killed (command, keeper, both)"

    def rounds(self, seed: int, first: int, count: int, offset: int) -> list[dict[str, Any]]:
        """So many rounds, the first of which has that number. Raises RunFailed where it told less."""
        with tempfile.TemporaryDirectory(prefix="kills-") as folder:
            out = Path(folder) / "rounds"
            words = [sys.executable, "-m", "bench.kills", f"--seed={seed}", f"--first={first}", f"--rounds={count}"]
            words += [f"--only={self.command}", f"--port-offset={offset}", f"--out={out}"]
            code = _ended(subprocess.Popen(words, cwd=ROOT, start_new_session=True), ROUND_S * count)
            found = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
        if len(found) < count:
            raise RunFailed(f"{self.name}: {len(found)} of {count} rounds were told, exit code {code}")
        return found


def _ended(rounds: subprocess.Popen[bytes], within_s: float) -> int:
    """Its exit code. Whoever interrupts the bench ends it in order, its cluster with it: once, so no terminal may."""
    try:
        return rounds.wait(within_s)
    except BaseException:
        rounds.terminate()
        rounds.wait()
        raise


KILLED = tuple(Killed(subject.name) for subject in SUBJECTS)
