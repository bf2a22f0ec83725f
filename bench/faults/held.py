"""Rows that a test holds: what needs an engine, another clock, or another account, and no load of requests."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from bench.machine import ROOT

DEADLINE_S = 600.0
# pytest's code where nothing was collected; where all were skipped it is 0.
PASSED = 0


@dataclass(frozen=True)
class Held:
    """`tests` as pytest takes them."""

    name: str
    title: str
    required: str
    tests: tuple[str, ...]

    def take(self) -> dict[str, Any]:
        """Raises TimeoutExpired."""
        words = [sys.executable, "-E", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", *self.tests]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        lines = done.stdout.strip().splitlines() or [done.stderr.strip()]
        skipped = next((line for line in lines if line.startswith("SKIPPED")), "")
        return {
            "passed": done.returncode == PASSED and not skipped,
            "told": skipped or lines[-1].strip("= "),
            "tests": list(self.tests),
        }


HELD = (
    Held(
        "clock",
        "the clock an hour ahead or back (a keeper whose clock steps)",
        "supervision, waits and alerts go on",
        ("tests/unit/keeper/supervision/test_clock_steps.py",),
    ),
    Held(
        "no-growth",
        "24 hours in a clock that jumps; 500 crashes in a row",
        "nothing grows in the keeper",
        ("tests/unit/keeper/supervision/test_no_growth.py",),
    ),
    Held(
        "engine",
        "the container engine stopped and started again",
        "what ran is started again when it is back",
        ("tests/docker/test_engine_away.py",),
    ),
    Held(
        "account",
        "another account of the machine tries every file, socket, port and entry of /proc",
        "nothing beyond docs/safety.md",
        ("tests/integration/test_chaos.py::test_another_account_sees_no_more_than_is_said",),
    ),
)
