"""A signal ends a command wherever it comes, also where Python would lose it or make another error of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import signal, sys, time
from daybreak.cli import main
from daybreak.cli.app import app

class Told:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGTERM)

def work(**_):
    MOMENT

app.main = work
main()
"""


def ended(moment: str, begin: str = BEGIN) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", begin.replace("MOMENT", moment)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


MOMENTS = {
    "anywhere": ("signal.raise_signal(signal.SIGHUP)", 129),
    "in a finalizer": ("told = Told(); del told; time.sleep(60)", 130),
    "in the making of a class": ("type('Made', (), {'told': Told()})", 143),
    "while the rest is cleaned up": (
        "\n    try: signal.raise_signal(signal.SIGINT)\n    finally: raise OSError('no terminal')",
        130,
    ),
}


@pytest.mark.parametrize(("moment", "code"), MOMENTS.values(), ids=list(MOMENTS))
def test_it_is_one_line_and_the_signals_code(moment: str, code: int) -> None:
    assert ended(moment) == (code, "", "interrupted\n")


def test_in_the_middle_of_an_import() -> None:
    begin = "import signal\nfrom daybreak.cli.common import interrupt\ninterrupt.leave_at_once()\nMOMENT\nprint('lost')"
    told = "import weakref; a = set(); b = weakref.ref(a, lambda _: signal.raise_signal(signal.SIGINT)); del a"
    assert ended(told, begin) == (130, "", "interrupted\n")


def test_what_is_ignored_stays_ignored() -> None:
    begin = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)" + BEGIN
    assert ended("signal.raise_signal(signal.SIGINT); print('goes on')", begin) == (0, "goes on\n", "")


def test_when_all_is_done_it_changes_nothing() -> None:
    code = BEGIN.replace("main()", "sys.exit = lambda code: (signal.raise_signal(signal.SIGINT), print(code))\nmain()")
    assert ended("return 3", code) == (0, "3\n", "")


BUGS = {
    "without a signal": "raise RuntimeError('a bug')",
    "after one that was heard": (
        "\n    try: signal.raise_signal(signal.SIGINT)\n    except KeyboardInterrupt: pass"
        "\n    raise RuntimeError('a bug')"
    ),
    "in what takes down the rest": (
        "\n    try: signal.raise_signal(signal.SIGINT)\n    finally: raise RuntimeError('a bug')"
    ),
}


@pytest.mark.parametrize("moment", BUGS.values(), ids=list(BUGS))
def test_any_other_error_is_shown_as_what_it_is(moment: str) -> None:
    code, _, error = ended(moment)
    assert code == 1
    assert "RuntimeError: a bug" in error
    assert "interrupted" not in error
