"""The keeper takes as many open files as it may; what it starts gets what there was before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from daybreak.backends.process.limits import lacking, lacking_to_start

STORY = """
import asyncio, os, resource, subprocess, sys
from daybreak.backends.process import limits

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
limits.raise_open_files()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (128, 128)
tell = [sys.executable, "-c", "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"]
started = [limits.spawn(tell, stdout=subprocess.PIPE)]
held = []
while len(held) < 80:
    held.append(os.open("/dev/null", os.O_RDONLY))
started.append(limits.spawn(tell, stdout=subprocess.PIPE))
print([child.communicate()[0].decode().split() for child in started])
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (128, 128)
"""


def test_what_is_started_gets_the_limit_that_was_there_also_where_the_keeper_needs_more() -> None:
    done = subprocess.run([sys.executable, "-c", STORY], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == str([["64", "128"], ["64", "128"]])


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OSError(24, ""), "open files"),
        (OSError(12, ""), "memory"),
        (MemoryError(), "memory"),
        (RuntimeError("can't start new thread"), "threads"),
        (ConnectionRefusedError(111, ""), ""),
        (RuntimeError("a bug"), ""),
        (OSError("no number"), ""),
    ],
)
def test_what_the_keeper_lacks(error: Exception, what: str) -> None:
    assert lacking(error) == what


def test_the_system_has_no_room_for_a_process() -> None:
    assert lacking_to_start(BlockingIOError(11, "")) == "processes"
    assert lacking_to_start(FileNotFoundError(2, "")) == ""
