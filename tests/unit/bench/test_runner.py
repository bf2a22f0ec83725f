"""A run that is ended in the middle: what is under way ends first, then the cluster."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from bench import commands as running
from bench import runner
from bench.commands import Command, Commands
from bench.scenarios import Measured, Scenario
from bench.systems import System


def test_nothing_goes_on_making_what_the_end_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way: list[Command] = []
    codes: list[int | None] = []

    def measure(commands: Commands, _: int) -> Measured:
        under_way.append(commands.start("sleep", "600"))
        raise KeyboardInterrupt

    system = System(lambda *_: None, lambda *_: None, lambda _: codes.append(under_way[0].wait(0)))
    monkeypatch.setattr(running, "BIN", Path(shutil.which("sleep") or "/bin/sleep").parent)
    monkeypatch.setattr(runner, "when_idle", lambda _, patience_s: (0.0, 0.0))
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        runner.run_once(Scenario("a", "a", "a", system, measure), 1, 1)
    assert codes == [-2]
