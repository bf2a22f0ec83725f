"""What is done when a program of the cluster stops, or lets a debugger in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

from daybreak.cli.dev.keys import Keyboard
from daybreak.cli.dev.prompt import converse
from daybreak.cli.dev.screen import Screen, clock
from daybreak.extras.dev.attaching import Attaching, launch
from daybreak.extras.dev.stops import Debuggable, Stop, follow

HELP = "n next line, s into a call, p NAME, c goes on, h help"


@dataclass
class Stopping:
    """Listens in a thread of its own: what a reload waits for may be what has stopped.

    Until `open` nobody is talked to, and nothing is written: the first start has the terminal for itself.
    """

    folder: Path
    screen: Screen
    listening: socket
    attaching: Attaching = field(default_factory=Attaching)
    _keyboard: Keyboard | None = None
    _kept: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, keyboard: Keyboard) -> None:
        """From now on there is a terminal, or nobody will come. What was kept back is told."""
        with self._lock:
            self._keyboard = keyboard
            kept, self._kept = self._kept, []
        for tell in kept:
            tell()

    def run(self, stop: threading.Event) -> None:
        """Until `stop`. One prompt after another."""

        def told(found: Stop | Debuggable) -> None:
            if isinstance(found, Debuggable):
                self._attach(found)
            else:
                self._stopped(found, stop)

        try:
            follow(self.listening, told, stop)
        finally:
            self.attaching.close()

    def _attach(self, found: Debuggable) -> None:
        port, is_new = self.attaching.port_of(found.who, found.port)
        if is_new:
            line = f"{found.who} lets a debugger in at 127.0.0.1:{port}; in .vscode/launch.json:"
            snippet = launch(found.who, port)
            self._tell(lambda: self.screen.tell("debugger", line, snippet, deployment=found.who, port=port))

    def _stopped(self, found: Stop, stop: threading.Event) -> None:
        path = Path(found.place)
        place = path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        keyboard = self._keyboard
        if keyboard is None or not keyboard.there:
            found.connection.close()
            why = (
                "a breakpoint() needs a terminal" if keyboard else "there is no prompt before the first start has ended"
            )
            line = f"{clock()}  {found.who} went on at {place}: {why}"
            self._tell(lambda: self.screen.tell("breakpoint", line, deployment=found.who, place=found.place))
            return
        with keyboard.lent(), self.screen.aside():
            print(f"{clock()}  {found.who} has stopped at {place} ({HELP})", flush=True)
            converse(found.connection, stop)
            print(f"{clock()}  {found.who} goes on", flush=True)

    def _tell(self, tell: Callable[[], None]) -> None:
        with self._lock:
            if self._keyboard is None:
                self._kept.append(tell)
                return
        tell()
