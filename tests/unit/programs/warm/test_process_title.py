"""What everybody can read of a fork: its command line, and nothing of its environment."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from daybreak.programs.warm import process_title
area = process_title.area()
assert area[0]
process_title.show(sys.argv[1].split(), area)
with open("/proc/self/cmdline", "rb") as file:
    os.write(1, file.read())
os._exit(0)  # as forks do: the C library would free what lies there no more
"""


@pytest.mark.parametrize("further", [0, 3, 60], ids="{} further arguments".format)
@pytest.mark.parametrize("text", ["short", "python -m " + "long." * 200])
def test_a_title_shows_no_variable_of_the_environment(text: str, further: int) -> None:
    arguments = [sys.executable, "-c", PROGRAM, text, *map(str, range(further))]
    shown = subprocess.run(
        arguments, env={"SECRET": "hunter2", "MORE": "m" * 5000}, capture_output=True, check=True, timeout=60
    ).stdout
    assert b"hunter2" not in shown
    assert shown.rstrip(b"\0 ").decode() == text
