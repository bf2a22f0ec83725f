"""An error on the terminal: the reason, the user's frames, what runs now, what to do next; at most a screen."""

from __future__ import annotations

import io
import json

import click
import pytest
from click.testing import CliRunner

from daybreak.cli.common import options
from daybreak.cli.common.output import print_error
from daybreak.errors import (
    DaybreakError,
    PreflightError,
    Problem,
    ServiceDied,
    SpecError,
    StepFailed,
)
from daybreak.keeper.control.error_json import error_from_json, error_to_json
from daybreak.show.progress import PlainProgress
from daybreak.timeline.event import Event, Kind

SCREEN = 24
WHOLE = [f"line {number}" for number in range(80)]


def failed(lines: int = 3) -> DaybreakError:
    """As the keeper sends it."""
    died = ServiceDied(
        "serve failed: deployment A: ValueError: boom (app.py:16)",
        service="serve",
        log="/state/logs/serve.log",
        tail=["app.py:16, in __init__", *(f"    more {number}" for number in range(lines))],
        whole=WHOLE,
        hint="daybreak logs serve",
    )
    error = StepFailed([died])
    error.aftermath = "still running: postgres; not running: head, serve"
    received = error_from_json(json.loads(json.dumps(error_to_json(error))))
    received.verbose = False
    return received


def test_a_command_without_that_option_does_not_name_it(capsys: pytest.CaptureFixture[str]) -> None:
    error = failed()
    error.verbose = None
    assert shown(error, capsys)[-1] == "hint: daybreak logs serve"


def shown(error: DaybreakError, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_error(error)
    return capsys.readouterr().err.splitlines()


def test_the_order_is_reason_frames_what_runs_next_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(failed(1), capsys) == [
        "error: serve failed: deployment A: ValueError: boom (app.py:16)",
        "  app.py:16, in __init__",
        "      more 0",
        "still running: postgres; not running: head, serve",
        "hint: daybreak logs serve; -v shows all lines",
    ]


def test_what_programs_have_written_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    error = ServiceDied("a\x1b[2Jb", service="serve", log="/l", tail=["c\x1b]0;x\x07d"], hint="e\x9bf")
    error.aftermath = "g\x08h"
    assert shown(error, capsys) == ["error: ab", "  cd", "g\ufffdh", "hint: e\ufffdf"]
    stream = io.StringIO()
    event = Event(Kind.FAILED, 0.0, 0.0, "serve", None, {"reason": "i\x1b[2Jj"})
    for message in ({"note": "k\x1b[1ml"}, {"event": event.to_json()}):
        PlainProgress(stream).message(message)
    assert "\x1b" not in stream.getvalue()
    assert "failed: ij" in stream.getvalue()


def test_steps_are_told_in_columns_that_widen_with_the_names() -> None:
    stream = io.StringIO()
    shown_there = PlainProgress(stream)
    for name in ("api", "worker-camera-1", "api"):
        event = Event(Kind.FAILED, 0.0, 0.0, name, None, {"reason": "x"})
        shown_there.message({"event": event.to_json()})
    assert [line.index("failed: x") for line in stream.getvalue().splitlines()] == [24, 27, 27]


def test_it_keeps_to_a_screen_and_unfolds(capsys: pytest.CaptureFixture[str]) -> None:
    error = failed(60)
    assert len(shown(error, capsys)) <= SCREEN
    error.verbose = True
    lines = shown(error, capsys)
    assert all(f"  {line}" in lines for line in WHOLE)
    assert "  log: /state/logs/serve.log" in lines
    assert "hint: daybreak logs serve" in lines


def test_one_problem_is_the_first_line_and_stands_there_once(capsys: pytest.CaptureFixture[str]) -> None:
    refused = PreflightError(["port 8000 (Serve) is in use by python3 (pid 7)"], hint="stop it")
    assert shown(refused, capsys) == [
        "error: port 8000 (Serve) is in use by python3 (pid 7); nothing was changed",
        "hint: stop it",
    ]
    wrong = SpecError([Problem("not a number", key="workers.count", file="daybreak.yaml", line=3)])
    assert shown(wrong, capsys) == ["error: daybreak.yaml:3: workers.count: not a number; nothing was changed"]


def test_several_problems_are_all_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(PreflightError(["a", "b is wrong", "c is wrong"]), capsys) == [
        "error: a (and 2 more); nothing was changed",
        "  b is wrong",
        "  c is wrong",
    ]


def test_of_two_failures_each_has_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    error = StepFailed(
        [ServiceDied("api died", service="api", tail=["x"]), ServiceDied("web died", service="web", tail=["y"])]
    )
    assert shown(error, capsys) == ["error: api died; web died", "  api died:", "    x", "  web died:", "    y"]


def test_verbose_is_an_option_of_the_commands_that_run_something() -> None:
    @click.command()
    @options.verbose
    def command() -> None:
        raise failed()

    for arguments, verbose in ((["-v"], True), ([], False)):
        caught = CliRunner().invoke(command, arguments).exception
        assert isinstance(caught, DaybreakError)
        assert caught.verbose is verbose
