"""The program that deploys the applications beside a node: again, after a pause, until it has."""

import os
import signal
import time
from typing import Any, Callable, Dict, List

PAUSE_S = 5.0


class Deployment:
    """`told` has its `command`, and the file that is there as soon as all applications run (`done`)."""

    def __init__(self, told: Dict[str, Any], say: Callable[[str], None]) -> None:
        self._command: List[str] = told["command"]
        self._done: str = told["done"]
        self._say = say
        self._pid = 0
        self._due = 0.0

    def look(self, spawn: Callable[[List[str]], int]) -> None:
        """Start it where it is to run and does not."""
        if not self._pid and time.monotonic() >= self._due:
            self._pid = spawn(self._command)

    def ended(self, pid: int, status: int) -> bool:
        """Take note of its end; False where it is another program's."""
        if pid != self._pid:
            return False
        self._pid = 0
        if status == 0:
            self._due = float("inf")
            open(self._done, "w").close()
            self._say("the applications run")
        else:
            self._due = time.monotonic() + PAUSE_S
            self._say(f"the applications could not be deployed; next attempt in {PAUSE_S:g} s")
        return True

    def kill(self) -> None:
        """It has nothing to save."""
        self._due = float("inf")
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
