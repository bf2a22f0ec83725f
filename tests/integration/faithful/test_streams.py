"""A fork of the warm template against a real interpreter: arguments, variables and what goes through its streams."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.faithful.programs import RELAXED
from tests.integration.faithful.template import CLEAN, DEADLINE_S, REAL, Program, Template


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


def test_large_binary_data_goes_through(warm: Template) -> None:
    data = os.urandom(3_000_000)
    copy = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    assert warm.run("-c", copy, given=data).out == data


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


def test_a_reader_sees_the_end_when_the_program_closes_its_output(warm: Template) -> None:
    code = "import os, sys; print('x', flush=True); os.close(1); os.close(2); sys.stdin.read()"
    with warm.popen("-c", code) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.read() == b"x\n"  # although the program runs on
        assert process.poll() is None
        process.stdin.close()


def test_a_program_that_nobody_reads_is_told(warm: Template) -> None:
    code = "import os, sys; sys.stdin.read(1)\nfor _ in range(10): print('x' * 10000)"
    ends = []
    for program in (warm.launcher, REAL):
        reader, writer = os.pipe()
        argv = [program, *warm.argv("-c", code)]
        with Program(argv, stdin=-1, stdout=writer, stderr=-1, env=CLEAN) as process:
            os.close(writer)
            os.close(reader)
            ends.append((process.communicate(b"x", timeout=DEADLINE_S)[1], process.returncode))
    assert b"BrokenPipeError" in ends[0][0]
    assert ends[0][1] != 0
