"""The line below what stays, in `daybreak dev` on a terminal."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from daybreak.cli.dev import screen
from daybreak.cli.dev.screen import CLEAR, Screen


class Terminal(io.StringIO):
    """Remembers what was written to it, and tells when that has a word."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited, self.there = "", threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.awaited and self.awaited in text:
            self.there.set()
        return count

    def last(self) -> str:
        """What the line has now."""
        return self.getvalue().rpartition(CLEAR)[2]


def test_what_is_being_done_stands_there_until_it_is_done_whatever_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(screen, "TICK_S", 0.01)
    found = Screen()
    found.status("shop · 2 requests/s")
    assert "2 requests/s" in terminal.last()
    terminal.awaited = "reloading: app.py · 0 s"
    with found.doing("reloading: app.py"):
        found.status("shop · 3 requests/s")
        assert terminal.there.wait(30)
        found.say("a line of the application")
        assert "reloading: app.py" in terminal.last()
    assert "3 requests/s" in terminal.last()
    assert "reloading" not in terminal.last()


def test_off_a_terminal_no_line_is_drawn_and_no_thread_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threading, "Thread", None)
    found = Screen()
    with found.doing("reloading: app.py"):
        found.say("a line of the application")
    assert capsys.readouterr().out == "a line of the application\n"
