"""`daybreak dev -- COMMAND`: the program is run again on each save, and nothing of it is left."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daybreak import api
from daybreak.cli.app import app
from daybreak.cli.dev import script as scripts
from daybreak.cli.dev.screen import Screen
from daybreak.cli.dev.script import Script
from daybreak.errors import DaybreakError
from daybreak.programs.common.proc import processes
from tests.helpers import DEADLINE_S, until

FOUND = {"values": {"TOLD": "by the cluster"}, "files": {}, "base": "/project", "python": sys.executable}


@pytest.fixture(autouse=True)
def _asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "environment", lambda _name: dict(FOUND))


class Told:
    """A script, and what it has told as JSON."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *command: str) -> None:
        self._capsys = capsys
        self.script = Script("shop", command, Screen(as_json=True))
        self.objects: list[dict[str, Any]] = []

    def has(self, event: str, count: int = 1) -> bool:
        self.objects += map(json.loads, self._capsys.readouterr().out.splitlines())
        return len([one for one in self.objects if one["event"] == event]) >= count

    @property
    def lines(self) -> list[str]:
        return [one["line"] for one in self.objects if one["event"] == "output"]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    monkeypatch.setattr(scripts, "REST_S", DEADLINE_S)  # nothing of these runs holds the pipe open after their end
    made = Told(capsys, sys.executable, "-S", str(tmp_path / "job.py"))
    yield made
    made.script.end()


def write(folder: Path, text: str) -> None:
    (folder / "job.py").write_text(f"import os, signal, subprocess, sys\n{text}")


def test_it_runs_with_the_clusters_variables_and_its_end_is_told(told: Told, tmp_path: Path) -> None:
    write(tmp_path, "print(os.environ['TOLD'], sys.stdin.read())\nsys.exit(3)")
    told.script.again()
    until(lambda: told.has("ended"), what="it ends")
    assert told.lines == ["by the cluster "]
    assert told.objects[-1]["code"] == 3
    assert told.script.state.endswith("ended with 3")


def test_the_run_before_is_ended_with_all_that_it_has_started(told: Told, tmp_path: Path) -> None:
    child = "subprocess.Popen(['sleep', '600']); print(os.getpid(), flush=True); signal.pause()"
    write(tmp_path, child)
    told.script.again()
    until(lambda: told.has("output"), what="the first run")
    told.script.again()
    until(lambda: told.has("output", 2), what="the second run")
    first, second = map(int, told.lines)
    sessions = {process.session for process in processes()}
    assert first not in sessions
    assert second in sessions
    # Nobody hears of what was ended on purpose.
    assert not told.has("ended")
    told.script.end()
    assert second not in {process.session for process in processes()}


def test_what_does_not_end_is_killed(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "GRACE_S", 0.05)
    write(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(os.getpid(), flush=True)\nsignal.pause()")
    told.script.again()
    until(lambda: told.has("output"), what="it runs")
    told.script.end()
    assert not os.path.exists(f"/proc/{told.lines[0]}")


def test_a_signal_that_ends_it_is_named(told: Told, tmp_path: Path) -> None:
    write(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    told.script.again()
    until(lambda: told.has("ended"), what="it ends")
    assert told.script.state.endswith("was ended by SIGKILL")


def test_what_cannot_be_started_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DaybreakError, match="cannot run /nowhere/at/all"):
        Told(capsys, "/nowhere/at/all").script.again()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dev", "--"], "a command comes after `--`"),
        (["dev", "--", "no-such-program"], "cannot run no-such-program: there is no such program; nothing was started"),
    ],
)
def test_what_is_no_command_starts_nothing(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    (tmp_path / "daybreak.yaml").write_text("name: shop\n")
    done = CliRunner().invoke(app, words)
    assert done.exit_code != 0
    assert message in f"{done.output}{done.exception}"
