"""Keys as they are pressed, without Enter."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator

KEYS = {"r": "restart", "o": "page", "l": "logs", "d": "doctor", "q": "quit"}
# So soon the thread notices that nobody wants to know any more.
LOOK_S = 0.2


class Keyboard:
    """The terminal's. `there`: somebody can press a key."""

    def __init__(self, pressed: Callable[[str], None]) -> None:
        self._pressed = pressed
        self._lock = threading.Lock()
        self._over = False
        self._reader: threading.Thread | None = None
        self.there = _is_ours()

    @contextlib.contextmanager
    def read(self) -> Iterator[None]:
        """Tell of each key while the block runs."""
        if not self.there:
            yield
            return
        self._begin()
        try:
            yield
        finally:
            self._end(over=True)

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Within `read`: somebody else reads lines meanwhile."""
        self._end()
        try:
            yield
        finally:
            self._begin()

    def _begin(self) -> None:
        import termios
        import tty

        with self._lock:
            if self._over:
                return
            terminal = sys.stdin.fileno()
            self._before = termios.tcgetattr(terminal)
            self._stop = threading.Event()
            self._reader = threading.Thread(target=_read, args=(terminal, self._pressed, self._stop), daemon=True)
            tty.setcbreak(terminal)
            self._reader.start()

    def _end(self, *, over: bool = False) -> None:
        import termios

        with self._lock:
            self._over = self._over or over
            reader, self._reader = self._reader, None
            if reader:
                self._stop.set()
                reader.join()
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._before)


def _is_ours() -> bool:
    """Is standard input a terminal, and this its foreground? Whoever changes it from the background is stopped."""
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _read(terminal: int, pressed: Callable[[str], None], stop: threading.Event) -> None:
    while not stop.is_set():
        ready, _, _ = select.select([terminal], [], [], LOOK_S)
        if not ready:
            continue
        read = os.read(terminal, 64)
        if not read:
            return
        for key in read.decode(errors="ignore"):
            pressed(key.lower())
