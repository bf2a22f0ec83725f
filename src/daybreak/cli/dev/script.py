"""A program of the user's beside the cluster: it runs once, and again after each save."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from daybreak.cli.common.program import program
from daybreak.cli.dev.screen import GREEN, RED, Screen, clock
from daybreak.errors import DaybreakError
from daybreak.naps import naps
from daybreak.programs.common.proc import processes
from daybreak.show.text import seconds

# So long a program may take to end after TERM.
GRACE_S = 5.0
# What it has written before its end is read by then; what it has left behind may hold the pipe open for ever.
REST_S = 0.5


@dataclass
class _Run:
    """One run: its process, which leads a group of its own. It is waited for only when that group is ended, so the
    group's number is nobody else's until then. `over`: nobody wants to hear of it any more."""

    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)
    over: bool = False


class Script:
    """Runs `command` against the cluster `name`. `changed` is called when it has ended by itself; `state` says how far
    it is."""

    def __init__(self, name: str, command: Sequence[str], screen: Screen) -> None:
        self._name, self._command, self._screen = name, command, screen
        self.changed: Callable[[], None] = lambda: None
        self._words = shlex.join(command)
        self._run: _Run | None = None
        self.state = ""

    def again(self) -> None:
        """End the run before, if it still goes on, and begin anew. Raises DaybreakError where it cannot be started."""
        self.end()
        found = program(self._name, self._command)
        try:
            process = subprocess.Popen(
                found.argv,
                env={"PYTHONUNBUFFERED": "1", **found.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self.state = f"{self._words} did not start"
            raise DaybreakError(f"cannot run {self._command[0]}: {error.strerror}") from error
        self._run = run = _Run(process)
        self.state = f"{self._words} runs"
        reader = threading.Thread(target=self._read, args=(run,), daemon=True)
        reader.start()
        threading.Thread(target=self._wait, args=(run, reader), daemon=True).start()

    def end(self) -> None:
        """TERM to all that it has started in its group, and KILL after a grace. Returns when they have ended."""
        run, self._run = self._run, None
        if run is None:
            return
        run.over = True
        _signal(run, signal.SIGTERM)
        for _ in naps(time.monotonic() + GRACE_S):
            if not _lives(run.process.pid):
                break
        _signal(run, signal.SIGKILL)
        run.process.wait()

    def _read(self, run: _Run) -> None:
        assert run.process.stdout is not None
        with run.process.stdout as stdout:
            for line in stdout:
                if run.over:
                    return
                text = line.decode(errors="replace").rstrip("\n")
                self._screen.tell("output", text, line=text)

    def _wait(self, run: _Run, reader: threading.Thread) -> None:
        """Until it ends, without taking its number away from it."""
        try:
            found = os.waitid(os.P_PID, run.process.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:  # it was ended, and waited for, before this thread began
            return
        took_s = time.monotonic() - run.began
        reader.join(REST_S)
        if found and not run.over:
            self._tell(found, took_s)

    def _tell(self, found: os.waitid_result, took_s: float) -> None:
        by_itself = found.si_code == os.CLD_EXITED
        code = found.si_status if by_itself else -found.si_status
        how = f"ended with {code}" if by_itself else f"was ended by {signal.Signals(found.si_status).name}"
        self.state = f"{self._words} {how}"
        told = f"{clock()}  {self._words} {how} after {seconds(took_s)}; the next save runs it again"
        self._screen.tell("ended", told, style=RED if code else GREEN, code=code, after_s=round(took_s, 3))
        self.changed()


def _signal(run: _Run, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run.process.pid, number)


def _lives(group: int) -> bool:
    """Does anything of it still run? What leads a group leads a session here."""
    return any(process.session == group for process in processes())
