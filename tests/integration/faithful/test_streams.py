"""A fork of the warm template against a real interpreter: the same small programs under both, and nothing may differ.

What does differ on purpose: `sys.modules` holds more, the parent is the template, and the process leads a group of its
own. Here: streams.
"""

from __future__ import annotations

import os
import pty
import subprocess
import termios
import tty
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.faithful.programs import (
    RELAXED,
)
from tests.integration.faithful.template import (
    CLEAN,
    DEADLINE_S,
    REAL,
    Template,
    read_all,
    run,
)


@RELAXED
@given(content=st.binary(max_size=3000) | st.text("a\r\n\x00é", max_size=200).map(str.encode))
def test_what_is_read_is_what_was_given(warm: Template, content: bytes) -> None:
    warm.same("-c", "import sys; print(ascii(sys.stdin.buffer.read()))", given=content)
    text = "import sys\nfor line in sys.stdin: print(ascii(line), repr(sys.stdin.newlines))"
    warm.same("-c", text, given=content.decode("utf-8", "ignore").encode())


@RELAXED
@given(
    arguments=st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)),
    raw=st.binary(max_size=20).map(lambda data: data.replace(b"\0", b"")),
    env=st.dictionaries(
        st.from_regex(r"\AX[^\x00=\ud800-\udfff]{0,20}\Z"),
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=60),
        max_size=5,
    ),
)
def test_any_arguments_and_variables_arrive(
    warm: Template, arguments: list[str], raw: bytes, env: dict[str, str]
) -> None:
    code = (
        "import os, sys, subprocess; print(ascii([sys.argv, sys.orig_argv[1:], dict(os.environ), list(os.environb)]));"
        "sys.stdout.flush(); subprocess.run(['/usr/bin/env', '-0'])"
    )
    warm.same("-c", code, *arguments, raw, env=CLEAN | env)


def test_large_binary_data_goes_through(warm: Template, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    copy = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    assert warm.same("-c", copy, given=data).out == data
    for number, program in enumerate((warm.launcher, REAL)):
        (tmp_path / "in").write_bytes(data)
        with open(tmp_path / "in", "rb") as source, open(tmp_path / f"out{number}", "wb") as target:
            subprocess.run([program, "-c", copy], stdin=source, stdout=target, env=CLEAN, check=True)
            assert os.lseek(source.fileno(), 0, os.SEEK_CUR) == len(data)  # one position, shared with the program
        assert (tmp_path / f"out{number}").read_bytes() == data


@pytest.mark.parametrize("flags", [[], ["-u"]])
def test_output_is_buffered_as_ever(warm: Template, flags: list[str]) -> None:
    """Every write that reaches the file, in order and size."""
    code = """
import os, sys
sys.stdout.write("a"); os.write(1, b"1"); sys.stderr.write("b"); os.write(2, b"2"); sys.stderr.write("c\\n")
print("line"); os.write(1, b"3"); sys.stdout.buffer.write(b"raw" * 10); os.write(1, b"4")
print("x" * 5000); os.write(1, b"5"); print("\\udcff", file=sys.stderr)
"""
    ran = warm.same(*flags, "-c", code)
    assert ran.out.startswith(b"a1line" if flags else b"1345raw")


@pytest.mark.parametrize("flags", [[], ["-u"]])
def test_a_terminal_is_written_to_by_the_line(warm: Template, flags: list[str]) -> None:
    code = """
import os, sys
print("line"); os.write(1, b"1\\n"); sys.stdout.write("half"); os.write(1, b"2\\n"); print()
print(os.isatty(0), sys.stdin.isatty(), os.get_terminal_size(), sys.stdout.line_buffering, sys.stdin.line_buffering)
print(ascii(input("asked? ")), ascii(sys.stdin.readline()))
"""
    seen = []
    for program in (warm.launcher, REAL):
        mine, theirs = pty.openpty()
        tty.setraw(theirs)
        mode = termios.tcgetattr(theirs)
        mode[3] |= termios.ICANON  # one line a read: else input() takes in all that has been typed
        termios.tcsetattr(theirs, termios.TCSANOW, mode)
        process = subprocess.Popen([program, *flags, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=CLEAN)
        os.close(theirs)
        os.write(mine, b"first\r\nsecond\n")
        seen.append(read_all(mine))
        assert process.wait(DEADLINE_S) == 0
        os.close(mine)
    assert seen[0] == seen[1]
    assert seen[1].startswith(b"line\n1\n")


def test_a_reader_sees_the_end_when_the_program_closes_its_output(warm: Template) -> None:
    code = "import os, sys; print('x', flush=True); os.close(1); os.close(2); sys.stdin.read()"
    with warm.popen("-c", code) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.read() == b"x\n"  # although the program runs on
        assert process.poll() is None
        process.stdin.close()
    assert process.returncode == run([REAL, "-c", code]).code


def test_a_program_that_nobody_reads_is_told(warm: Template) -> None:
    code = "import os, sys; sys.stdin.read(1)\nfor _ in range(10): print('x' * 10000)"
    ends = []
    for program in (warm.launcher, REAL):
        reader, writer = os.pipe()
        with subprocess.Popen(
            [program, "-c", code], stdin=subprocess.PIPE, stdout=writer, stderr=subprocess.PIPE, env=CLEAN
        ) as process:
            os.close(writer)
            os.close(reader)
            ends.append((process.communicate(b"x")[1], process.returncode))
    assert ends[0] == ends[1]
    assert b"BrokenPipeError" in ends[0][0]
