"""What a cluster holds after each of many restarts, whether that grows, and the table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench import endurance, suite
from bench.enduring import table, trial
from bench.enduring.growth import HELD, growth, growth_of_medians, parts
from bench.enduring.holdings import disk_bytes, processes_of
from bench.records import Goal
from bench.results import Report
from bench.scenarios import Suite

from tests.unit.bench.samples import MACHINE, SETTINGS, sample

LOOKS = [dict.fromkeys((held.key for held in HELD), 1000.0 + number) for number in range(100)]


def test_the_first_restarts_do_not_count_and_the_rest_is_compared_at_both_ends() -> None:
    assert parts(LOOKS, "processes_count") == (1022, 1082)
    assert set(growth(LOOKS).values()) == {60.0}
    assert parts(LOOKS[:1], "processes_count") == (1000, 1000)


def test_what_comes_and_goes_is_no_growth() -> None:
    looks = [{"processes_count": 30.0 + (number % 4) * (1 if number < 60 else 5)} for number in range(100)]
    assert parts(looks, "processes_count") == (30, 30)
    assert growth_of_medians(looks, "processes_count") == 6


def test_everything_that_is_held_has_a_goal() -> None:
    goals = {goal.measure: goal.required for goal in endurance.SUITE.goals}
    assert goals.pop("failed_count") == 0
    assert goals == {held.measure: held.most for held in HELD if held.most is not None}


def test_a_part_never_becomes_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Suite, list[str]]] = []

    def remember(made: Suite, words: list[str]) -> int:
        asked.append((made, words))
        return 0

    monkeypatch.setattr(suite, "main", remember)
    endurance.main(["--restarts", "8"])
    endurance.main([])
    (few, with_out), (all_, without) = asked
    assert few.scenarios[0].title.startswith("8 restarts")
    assert with_out[0] == "--out"
    assert with_out[1].endswith("partial-endurance.json")
    assert (all_.scenarios[0].title, without) == ("100 restarts in a row, ways mixed", [])


def test_what_a_process_of_the_cluster_holds_is_seen(tmp_path: Path) -> None:
    code = "import socket, sys; s = socket.socket(); print(flush=True); sys.stdin.read()"
    env = {**os.environ, "DAYBREAK_HOME": str(tmp_path)}
    words = [sys.executable, "-IS", "-c", code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout
        process.stdout.readline()
        (found,) = processes_of(str(tmp_path))
        process.communicate()
    assert (found.pid, found.files, found.sockets) == (process.pid, 4, 1)
    assert found.bytes > 1e6


def test_what_files_take_is_added_up(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one").write_bytes(b"x" * 9000)
    assert 9000 <= disk_bytes(tmp_path) < 100_000


def test_steps_that_are_not_known_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "unknown", lambda command, option=None: None if command == "restart" else "no")
    assert "rollback" not in {step.words[0] for step in trial.known()}
    assert any(step.words == ("restart", "worker-1") for step in trial.known())


def test_the_table_shows_both_ends_and_what_is_allowed() -> None:
    held = {held.key: parts(LOOKS, held.key) for held in HELD}
    values = {"restarts_count": 100.0, "requests_count": 1e4, "failed_count": 0.0, **growth(LOOKS)}
    found = sample("endurance", None, values=values, details={"parts": held, "looks": LOOKS})
    line = endurance.SUITE.scenarios[0].line
    goals: tuple[Goal, ...] = endurance.SUITE.goals
    made = Report(MACHINE, SETTINGS, (line,), (found,), goals)
    text = table.endurance(made)
    assert text.startswith("100 restarts, 10,000 requests, 0 failed or cut.")
    assert "| processes | 1,022 | 1,082 | 60 | 2 | 60 |" in text
    assert "only 1 of" not in "".join(made.warnings())
    verdicts = {verdict.goal.measure: verdict.met for verdict in made.verdicts()}
    assert verdicts["failed_count"] is True
    assert verdicts["processes_growth_count"] is False
