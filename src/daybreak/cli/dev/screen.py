"""What `dev` shows: lines that stay, and on a terminal one below them that is drawn anew."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from daybreak.cli.common.output import styled
from daybreak.show.text import harmless

CLEAR = "\r\033[K"
# How often the line below says for how long something has been done.
TICK_S = 1.0
DIM, RED, GREEN, PLAIN = "\033[2m", "\033[31m", "\033[32m", "\033[0m"


class Screen:
    """Written to by several threads. `as_json`: what happens is told as one object a line, and nothing else is."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.live = sys.stdout.isatty() and styled(sys.stdout) and not as_json
        self._lock = threading.RLock()
        self._status = ""
        self._work = ""

    def say(self, *lines: str, style: str = "") -> None:
        """Lines that stay."""
        if self.as_json:
            return
        begin, end = (style, PLAIN) if self.live and style else ("", "")
        with self._lock:
            self._clear()
            for line in lines:
                print(f"{begin}{harmless(line)}{end}")
            self._draw()

    def tell(self, event: str, *lines: str, style: str = "", **data: Any) -> None:
        """What has happened: lines for people, `data` for programs."""
        if self.as_json:
            print(json.dumps({"event": event, **data}, default=str), flush=True)
        self.say(*lines, style=style)

    def status(self, text: str) -> None:
        """The line below, where there is one."""
        if self.live:
            with self._lock:
                self._status = text
                self._clear()
                self._draw()

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Until it is done the line below says so, and for how long already; its status comes back afterwards."""
        if not self.live:
            yield
            return
        done = threading.Event()
        telling = threading.Thread(target=self._tell_work, args=(what, done), daemon=True)
        telling.start()
        try:
            yield
        finally:
            done.set()
            telling.join()
            self._show_work("")

    def _tell_work(self, what: str, done: threading.Event) -> None:
        self._show_work(what)
        began = time.monotonic()
        while not done.wait(TICK_S):
            self._show_work(f"{what} · {time.monotonic() - began:.0f} s")

    def _show_work(self, what: str) -> None:
        with self._lock:
            self._clear()
            self._work = what
            self._draw()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Somebody else writes meanwhile."""
        with self._lock:
            self._clear()
            sys.stdout.flush()
            try:
                yield
            finally:
                self._draw()

    def close(self) -> None:
        """Nothing is drawn any more."""
        with self._lock:
            self._clear()
            self._status = self._work = ""
            sys.stdout.flush()

    def _clear(self) -> None:
        if self.live and (self._work or self._status):
            sys.stdout.write(CLEAR)

    def _draw(self) -> None:
        if self.live and (line := self._work or self._status):
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write(f"{CLEAR}{DIM}{harmless(line)[:width]}{PLAIN}")
        sys.stdout.flush()


def clock() -> str:
    """The time of day, for lines that stay."""
    return time.strftime("%H:%M:%S")
