"""Running the commands of a scenario: same interpreter, same environment, output kept, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bench.group import Group
from bench.machine import ROOT

BIN = Path(sys.executable).parent
# Of the environment that has pandas and scikit-learn.
BENCH_BIN = ROOT / ".venv-bench" / "bin"
APP_FOLDER = Path(__file__).resolve().parent / "app"
TAIL_LINES = 20
# How long a command of ours that is to end gets before it is killed.
GRACE_S = 30.0


class RunFailed(Exception):
    """This run does not count: a command failed, or the deadline passed."""


class Command:
    """One started command; a thread waits for its end, so that the end is noticed at once."""

    def __init__(
        self,
        argv: tuple[str, ...],
        env: dict[str, str],
        log: Path,
        group: Group | None = None,
        cwd: Path = APP_FOLDER,
        programs: Path = BIN,
    ) -> None:
        self.label = " ".join(argv)
        # A program of the environment by its name, any other by its path.
        program = [str(programs / argv[0]), *argv[1:]]
        self.log = log
        self.began_s = time.monotonic()
        self.returned_s: float | None = None
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                group.entering(program) if group else program,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the bench alone: it takes the cluster down in order. Of the bench's session, as in a
                # terminal: where the kernel shares processors out by session, a driver with a session of its own would
                # get more of them than one beside Ray's commands.
                process_group=0,
            )
        self._ended = threading.Event()
        threading.Thread(target=self._await_end, daemon=True).start()

    def _await_end(self) -> None:
        self._process.wait()
        self.returned_s = time.monotonic()
        self._ended.set()

    def wait(self, timeout_s: float) -> int | None:
        """The exit code; None where it still runs after the timeout."""
        return self._process.returncode if self._ended.wait(max(0.0, timeout_s)) else None

    def kill(self) -> None:
        """End this very process at once."""
        self._process.kill()
        self._ended.wait(GRACE_S)

    def interrupt(self) -> None:
        """Ctrl-C, then kill: a command that was told to stop may clean up first."""
        self._process.send_signal(signal.SIGINT)
        if self.wait(GRACE_S) is None:
            self.kill()

    def output(self) -> str:
        """Everything it has written so far."""
        return self.log.read_text(errors="replace")

    def tail(self) -> str:
        """Its last lines of output."""
        return "\n".join(self.output().splitlines()[-TAIL_LINES:])


class Commands:
    """The commands of one run, below one scratch folder with a deadline for all of them.

    `group` holds all their processes, where the system lets us make one.
    """

    def __init__(self, folder: Path, group: Group | None = None) -> None:
        self.folder = folder
        self.group = group
        self.daybreak_home = folder / "home"
        self.runtime = folder / "r"
        self._env = environment(folder)
        self._cwd, self._programs = APP_FOLDER, BIN
        self._background: list[Command] = []
        self._timed: list[Command] = []
        self._deadline = self.began_s = time.monotonic()
        self._count = 0

    def work_in(self, folder: Path, programs: Path = BIN) -> None:
        """From now on commands run in another folder than bench/app, and import from it; with the programs of another
        Python environment, if one is given."""
        self._cwd, self._programs = folder, programs
        self._env = environment(self.folder, folder, programs)

    def allow(self, seconds: float) -> None:
        """From now on (`began_s`), everything has this long; what was timed before is forgotten."""
        self.began_s = time.monotonic()
        self._deadline = self.began_s + seconds
        self._timed.clear()

    @property
    def left_s(self) -> float:
        return self._deadline - time.monotonic()

    def start(self, *argv: str) -> Command:
        """Start a command and go on; it is expected to stay, or to be passed to `finish`."""
        self._count += 1
        command = Command(argv, self._env, self.folder / f"{self._count:02}.log", self.group, self._cwd, self._programs)
        self._background.append(command)
        self._timed.append(command)
        return command

    def finish(self, command: Command) -> None:
        """Wait until it has returned; raises RunFailed where it fails or takes too long."""
        if code := self.ended(command):
            raise RunFailed(f"`{command.label}` ended with code {code}\n{command.tail()}")

    def ended(self, command: Command) -> int:
        """The exit code of a command that may fail; raises RunFailed where it takes too long."""
        code = command.wait(self.left_s)
        if code is None:
            command.interrupt()
        self._background.remove(command)
        if code is None:
            raise RunFailed(f"`{command.label}` did not return before the deadline\n{command.tail()}")
        return code

    def run(self, *argv: str) -> Command:
        """Start a command and wait until it has returned."""
        command = self.start(*argv)
        self.finish(command)
        return command

    def check(self) -> None:
        """Raise RunFailed where the deadline has passed, or a command that was to stay has ended."""
        for command in self._background:
            if (code := command.wait(0)) is not None:
                raise RunFailed(f"`{command.label}` ended early with code {code}\n{command.tail()}")
        if self.left_s <= 0:
            raise RunFailed("the deadline passed")

    def interrupt_rest(self) -> None:
        """Ctrl-C to what was started here and still runs."""
        for command in self._background:
            command.interrupt()
        self._background.clear()

    def kill_rest(self) -> None:
        """Kill what was started here and still runs."""
        for command in self._background:
            command.kill()
        self._background.clear()

    def times(self, since_s: float) -> list[dict[str, Any]]:
        """When each command since `allow` began and returned, in seconds after `since_s`."""
        return [
            {
                "command": command.label,
                "began_s": round(command.began_s - since_s, 3),
                "returned_s": None if command.returned_s is None else round(command.returned_s - since_s, 3),
            }
            for command in self._timed
        ]


def environment(folder: Path, code: Path = APP_FOLDER, programs: Path = BIN) -> dict[str, str]:
    """The same for every command: nothing of Ray's or daybreak's that happens to be set in this shell.

    State lies below `folder`, the application in `code`.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "DAYBREAK_"))}
    return kept | {
        "PATH": f"{programs}:{kept.get('PATH', os.defpath)}",
        "PYTHONPATH": str(code),
        "RAY_USAGE_STATS_ENABLED": "0",
        # A token that lies in the home makes a head ask for it, and the nodes that come after it have none.
        "RAY_AUTH_MODE": "disabled",
        "DAYBREAK_HOME": str(folder / "home"),
        "DAYBREAK_RUNTIME": str(folder / "r"),
    }
