"""What pages are told: which code answers now, and what is wrong with the last save."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence


class Notices:
    """Written by the thread that reloads, read by the one that answers browsers."""

    def __init__(self) -> None:
        # Pages that an earlier `dev` has served are loaded anew by this one.
        self._begun = secrets.token_hex(4)
        self._count = 0
        self._wrong: dict[str, object] | None = None
        self._lock = threading.Lock()
        self._wakes: list[Callable[[], None]] = []

    @property
    def version(self) -> str:
        """Of the code that answers: another one after each reload."""
        return f"{self._begun}.{self._count}"

    def replaced(self) -> None:
        """New code answers."""
        with self._lock:
            self._count += 1
            self._wrong = None
        self._tell()

    def mended(self) -> None:
        """Nothing is wrong any more, and what answers is what did."""
        with self._lock:
            self._wrong = None
        self._tell()

    def wrong(self, title: str, lines: Sequence[str]) -> None:
        """The last save is not what answers."""
        with self._lock:
            self._wrong = {"title": title, "lines": list(lines)}
        self._tell()

    def as_json(self) -> str:
        with self._lock:
            return json.dumps({"version": self.version, "wrong": self._wrong})

    @contextlib.contextmanager
    def followed(self, wake: Callable[[], None]) -> Iterator[None]:
        """`wake` is called, by any thread, each time there is something new."""
        with self._lock:
            self._wakes.append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wakes.remove(wake)

    def _tell(self) -> None:
        with self._lock:
            wakes = list(self._wakes)
        for wake in wakes:
            wake()
