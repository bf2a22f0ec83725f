"""A command in a running container that never outlives its deadline.

The engine cannot end a command, and most accounts may not end a container's processes from outside: they are ended
where that is permitted, else by a second command in the container.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from daybreak.backends.base import CommandResult
from daybreak.backends.process.pidfd import PidFd
from daybreak.docker.api import EngineClient
from daybreak.errors import EngineError
from daybreak.names import NOT_RUN_CODE

MOST_CHARACTERS = 4000
# Between the request to run a command and the moment when it has a process.
APPEARS_S = 0.01
ATTEMPTS = 100
PROC = Path("/proc")


class Command:
    """One command in one container. `run` and `end` block; `end` may be called while `run` waits, by another thread."""

    def __init__(self, client: EngineClient, container: str, argv: Sequence[str]) -> None:
        self._client = client
        self._container = container
        self._argv = argv
        self._identity = ""
        self._over = threading.Event()
        self._making = threading.Lock()

    def run(self) -> CommandResult:
        """Run it to its end."""
        try:
            made = self._client.commands.make(self._container, self._argv)
            with self._making:
                if self._over.is_set():
                    return CommandResult(NOT_RUN_CODE, "not run: it was too late")
                self._identity = made
            output = self._client.commands.run(self._identity).decode(errors="replace")
            code = self._client.commands.inspect(self._identity)["ExitCode"]
        except EngineError as error:
            return CommandResult(NOT_RUN_CODE, error.message)
        finally:
            self._over.set()
        return CommandResult(NOT_RUN_CODE if code is None else int(code), output[-MOST_CHARACTERS:].strip())

    def withdraw(self) -> bool:
        """It will not run, where the engine has not made it yet; False where it has: then `end` it."""
        with self._making:
            if not self._identity:
                self._over.set()
            return not self._identity

    def end(self) -> None:
        """Kill what it has become: it is overdue, or nobody waits for it any more."""
        try:
            self._kill(self._pid())
        except EngineError:
            pass  # the container has gone, and the command with it

    def _pid(self) -> int:
        """Its process, as this machine numbers it; 0 where it has ended."""
        for _ in range(ATTEMPTS):
            found = self._client.commands.inspect(self._identity)
            if found["Pid"] or self._over.is_set():
                return int(found["Pid"]) if found["Running"] else 0
            self._over.wait(APPEARS_S)
        return 0

    def _kill(self, pid: int) -> None:
        if not pid or not _is_in(pid, self._container):
            return
        try:
            # The engine gives every command a session of its own: this ends its children, too.
            os.killpg(pid, signal.SIGKILL) if os.getpgid(pid) == pid else _kill_one(pid)
        except PermissionError:
            inside = _pid_inside(pid)
            words = ("/bin/sh", "-c", f"kill -9 -{inside} || kill -9 {inside}")
            self._client.commands.run(self._client.commands.make(self._container, words, user="0"))
        except ProcessLookupError:
            pass


def _kill_one(pid: int) -> None:
    with PidFd(pid) as found:
        found.send(signal.SIGKILL)


def _is_in(pid: int, container: str) -> bool:
    """Whether that process belongs to the container: an engine on another machine has other numbers."""
    try:
        return container in (PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return False


def _pid_inside(pid: int) -> int:
    """The same process as its container numbers it; raises ProcessLookupError where it has gone."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        raise ProcessLookupError(pid) from None
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])
