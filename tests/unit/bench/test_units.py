"""What stands in for systemd's `Restart=always`: a command that has ended begins anew, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.faults.units import Unit

from tests.helpers import until

# It has a child that ends with no other than its unit.
PROGRAM = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    made = Unit("head", [sys.executable, "-c", PROGRAM], dict(os.environ), tmp_path)
    made.start()
    yield made
    made.end()


def both(unit: Unit) -> dict[str, int]:
    """The first process and its child, once there are both."""
    found = {"first" if "subprocess" in one.title else "child": one.pid for one in unit.processes()}
    return found if len(found) == 2 else {}


def test_what_was_killed_begins_anew_and_what_it_has_left_ends(unit: Unit) -> None:
    before = until(lambda: both(unit), what="it runs")
    os.kill(before["first"], signal.SIGKILL)
    after = until(
        lambda: both(unit) if not set(before.values()) & set(both(unit).values()) else {}, what="it runs anew"
    )
    assert {one.service for one in unit.processes()} == {"head"}
    unit.end()
    assert list(unit.processes()) == []
    assert not set(after.values()) & {one.pid for one in unit.processes()}
