"""Ctrl-C, `kill` and a closed terminal at every moment of a start; of a Ray that costs nothing and never gets ready."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.helpers import until
from tests.integration.conftest import Sandbox

pytestmark = pytest.mark.one_ray

STEPS = 30
LONGEST_S = 1.5
SPEC = "ray: {python: ./python}\nworkers: {count: 0}\npage: false\nwarm: false\n"
# Answers what daybreak asks of an interpreter, and is any program of Ray's otherwise: it runs and says nothing.
PYTHON = """#!/bin/sh
case "$2" in
*ray_probe.py) echo '@ANSWER@' ;;
*) exec sleep 600 ;;
esac
"""
# Takes a while to end.
STUBBORN = PYTHON.replace("exec sleep 600", "trap '' TERM INT; sleep 600 & wait; sleep 600")


def write(sandbox: Sandbox, python: str = PYTHON) -> None:
    sandbox.write(SPEC)
    answer = {"version": "2.60.0", "scripts": str(sandbox.folder), "missing": {}}
    for name in ("python", "ray"):
        (sandbox.folder / name).write_text(python.replace("@ANSWER@", json.dumps(answer)))
        (sandbox.folder / name).chmod(0o755)


def started(sandbox: Sandbox) -> subprocess.Popen[str]:
    """`up`, from the moment on at which it looks after signals: until then they are the interpreter's."""
    starting = sandbox.popen("up")
    until(lambda: catches(starting.pid, signal.SIGHUP), what="the command looks after signals")
    return starting


def catches(pid: int, number: signal.Signals) -> bool:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(lines["SigCgt"], 16) >> (number - 1) & 1)


def ended(starting: subprocess.Popen[str], code: int) -> str:
    _, error = starting.communicate(timeout=120)
    assert starting.returncode == code, error
    assert "Traceback" not in error
    assert "Exception ignored" not in error
    assert "interrupted" in error
    return error


def nothing_runs(sandbox: Sandbox) -> bool:
    return sandbox.processes() == [] and not list(sandbox.root.glob("services/*.json"))


@pytest.mark.parametrize("step", range(STEPS))
def test_at_every_moment_it_ends_with_a_line_and_leaves_nothing(sandbox: Sandbox, step: int) -> None:
    write(sandbox)
    starting = started(sandbox)
    time.sleep(step * LONGEST_S / (STEPS - 1))
    starting.send_signal(signal.SIGINT)
    ended(starting, 130)
    until(lambda: nothing_runs(sandbox), what="nothing is left")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str)
def test_whoever_is_told_to_end_takes_down_what_it_has_started(
    sandbox: Sandbox, number: signal.Signals, code: int
) -> None:
    write(sandbox)
    starting = started(sandbox)
    until(sandbox.processes, what="the head has been started")
    starting.send_signal(number)
    assert "taking down what this run has started" in ended(starting, code)
    assert nothing_runs(sandbox)


def test_a_second_one_does_not_wait_and_leaves_nothing(sandbox: Sandbox) -> None:
    write(sandbox, STUBBORN)
    starting = started(sandbox)
    # From then on it takes no notice of signals.
    until(lambda: any(one.comm == "sleep" for one in sandbox.processes()), what="the head sleeps")
    starting.send_signal(signal.SIGINT)
    assert starting.stderr
    while "taking down" not in (line := starting.stderr.readline()):
        assert line, "it ended without a word"
    starting.send_signal(signal.SIGINT)
    error = ended(starting, 130)
    assert "the keeper goes on taking down what this run has started" in error
    assert sandbox.processes() != []
    until(lambda: nothing_runs(sandbox), what="the keeper has taken all down")


def test_where_it_is_ignored_it_stays_ignored(sandbox: Sandbox) -> None:
    write(sandbox)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        starting = started(sandbox)
    finally:
        signal.signal(signal.SIGINT, before)
    until(sandbox.processes, what="the head has been started")
    starting.send_signal(signal.SIGINT)
    os.kill(starting.pid, signal.SIGTERM)
    ended(starting, 143)
