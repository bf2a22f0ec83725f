"""A fork of the warm template against a real interpreter: the same small programs under both, and nothing may differ.

What does differ on purpose: `sys.modules` holds more, the parent is the template, and the process leads a group of its
own. Here: signals.
"""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.helpers import read_terminal
from tests.integration.faithful.programs import (
    WAIT,
    fork_of,
)
from tests.integration.faithful.template import (
    CLEAN,
    DEADLINE_S,
    REAL,
    Program,
    Template,
    line,
    state_of,
    until,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_to_the_launcher_ends_the_program(standing: Template, number: int) -> None:
    ends = []
    for program in (standing.launcher, REAL):
        argv = [program, *standing.argv("-c", WAIT)]
        with Program(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=CLEAN) as process:
            assert line(process) == b"up"
            process.send_signal(number)
            ends.append((process.communicate(timeout=DEADLINE_S), process.returncode))
    assert [code for _, code in ends] == [-number, -number]


def test_a_programs_handlers_run(standing: Template) -> None:
    code = """
import os, signal, sys, time
got = []
def told(number, frame):
    got.append(number)
    os.write(1, b"%d\\n" % number)  # print() may be interrupted, but not by itself
numbers = sorted(n for n in signal.valid_signals() if n not in (9, 17, 19))
for number in numbers: signal.signal(number, told)
os.write(1, " ".join(str(int(n)) for n in numbers).encode() + b"\\n")
while len(got) < len(numbers): time.sleep(0.01)
sys.exit(3)
"""
    with standing.popen("-c", code) as process:
        for number in [int(word) for word in line(process).split()]:
            process.send_signal(number)
            assert line(process) == b"%d" % number
    assert process.returncode == 3


def test_ignored_and_blocked_signals_do_nothing(standing: Template) -> None:
    prepare = "signal.signal(signal.SIGHUP, signal.SIG_IGN); signal.pthread_sigmask(0, [signal.SIGTERM])"
    code = "import signal, sys; print('up', flush=True); sys.stdin.read(); print(signal.sigpending())"
    ends = []
    for program in (standing.launcher, REAL):
        argv = [REAL, "-IS", "-c", f"import os, signal, sys\n{prepare}\nos.execv(sys.argv[1], sys.argv[1:])"]
        with Program([*argv, program, *standing.argv("-c", code)], stdin=-1, stdout=-1, env=CLEAN) as process:
            assert line(process) == b"up"
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
            pid = process.pid if program == REAL else fork_of(standing)
            until(partial(is_pending, pid, signal.SIGTERM), "pending signal")
            out, _ = process.communicate(timeout=DEADLINE_S)
            ends.append((out, process.returncode))
    assert ends[0] == ends[1]
    assert ends[1] == (b"{<Signals.SIGTERM: 15>}\n", 0)


def is_pending(pid: int, number: int) -> bool:
    [pending] = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("ShdPnd")]
    return bool(int(pending.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("via", ["launcher", "fork"])
def test_a_stopped_program_is_seen_to_be_stopped(standing: Template, via: str) -> None:
    with standing.popen("-c", WAIT) as process:
        assert line(process) == b"up"
        fork = fork_of(standing)
        os.kill(fork, signal.SIGSTOP)
        _pid, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert state_of(fork) == "T"
        os.kill(process.pid if via == "launcher" else fork, signal.SIGCONT)
        until(lambda: state_of(fork) != "T", "running fork")
        until(lambda: state_of(process.pid) != "T", "running launcher")
        process.terminate()
        assert process.wait(DEADLINE_S) == -signal.SIGTERM


def test_a_killed_launcher_takes_its_program_with_it(standing: Template) -> None:
    with standing.popen("-c", WAIT) as process:
        assert line(process) == b"up"
        fork = fork_of(standing)
        process.kill()
    until(lambda: state_of(fork) == "", "end of the fork")
    until(lambda: standing.forks() == [], "its record is gone")


def test_a_key_at_the_terminal_reaches_the_program(standing: Template) -> None:
    """The launcher has the terminal, the fork has not; it gets the signal all the same."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(standing.launcher, [standing.launcher, *standing.argv("-c", WAIT)], CLEAN)
    data = b""
    while b"up" not in data:
        data += os.read(terminal, 100)
    os.write(terminal, b"\x03")
    read_terminal(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGINT
