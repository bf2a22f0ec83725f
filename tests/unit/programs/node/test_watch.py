"""What watches a node's processes, in a process of its own and with real children."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daybreak.programs.node import watch
from tests.helpers import DEADLINE_S, until

# Starts children as `ray start` does, says their pids, and becomes the program that watches them.
PARENT = f"""
import json, os, subprocess, sys
commands = json.loads(sys.argv[1])
started = [subprocess.Popen([sys.executable, "-IS", "-c", command]) for command in commands]
print(*[child.pid for child in started], flush=True)
names = {{child.pid: {{"name": f"child-{{number}}"}} for number, child in enumerate(started)}}
if len(sys.argv) > 2:
    names[started[0].pid].update(json.loads(sys.argv[2]))
told = os.memfd_create("children", 0)
os.write(told, json.dumps(names).encode())
os.lseek(told, 0, os.SEEK_SET)
os.execv(sys.executable, [sys.executable, "-IS", {watch.__file__!r}, str(told)])
"""
STAYS = "import signal; signal.pause()"


def ends(code: str) -> str:
    """A child that ends in this way when its standard input does: not before the test wants it to."""
    return f"import os, signal, sys; sys.stdin.read(); {code}"


@contextmanager
def watched(*commands: str, helper: dict[str, Any] | None = None) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """The first one is a helper, where it is said how it is started again."""
    argv = [sys.executable, "-c", PARENT, json.dumps(commands), *([json.dumps(helper)] if helper else [])]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        yield process, pids
        process.kill()
    # They have been killed, by it or by the kernel, but a process takes a moment to end.
    until(lambda: not any(alive(pid) for pid in pids), what="they have ended")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("code", "how"), [("os._exit(3)", "exit code 3"), ("os.kill(os.getpid(), signal.SIGSEGV)", "signal 11")]
)
def test_the_first_that_ends_unexpectedly_takes_the_others_with_it(code: str, how: str) -> None:
    with watched(ends(code), STAYS) as (process, _):
        out, _ = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 1
        assert "child-0" in out
        assert how in out


@pytest.mark.parametrize("code", ["pass", "sys.exit(143)", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_one_that_was_asked_to_end_does_not(code: str) -> None:
    with watched(ends(code), STAYS) as (process, pids):
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        assert alive(pids[1])
        os.kill(pids[1], signal.SIGTERM)
        assert process.wait(timeout=DEADLINE_S) == 0


def test_a_helper_is_started_again_and_the_node_stays(tmp_path: Path) -> None:
    said, again = tmp_path / "said", "import os; print(os.getpid(), os.environ['A'], flush=True); os._exit(3)"
    helper = {"command": [sys.executable, "-IS", "-c", again], "env": {"A": "b"}, "out": str(said)}
    with watched(ends("os._exit(3)"), STAYS, helper=helper) as (process, pids):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdin = None
        told = [process.stdout.readline() for _ in range(2)]  # it ends again, and is waited for the longer
        assert [f"child-0 (pid {pids[0]}) by exit code 3" in told[0], "child-0" in told[1]] == [True, True]
        assert set(said.read_text().split()[1::2]) == {"b"}  # a third start may have come meanwhile
        assert process.poll() is None
        assert alive(pids[1])
        os.kill(pids[1], signal.SIGKILL)
        assert process.wait(timeout=DEADLINE_S) == 1
        assert "child-1" in process.stdout.read()


def test_asked_to_end_it_ends_its_children() -> None:
    with watched(STAYS, STAYS) as (process, _):
        # Before it has its handlers, the signal would end it at once; the kernel knows when it has.
        while not caught(process.pid, signal.SIGTERM):
            assert process.poll() is None
        process.terminate()
        assert process.wait(timeout=DEADLINE_S) == 1


def caught(pid: int, number: int) -> bool:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1) and "watch.py" in Path(f"/proc/{pid}/cmdline").read_text()
