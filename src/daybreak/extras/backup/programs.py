"""Programs beside a database server: on this machine, or in the server's container. What they read and write is
streamed; each ends by the deadline, and with whoever waits for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from daybreak.docker import refusals
from daybreak.errors import DaybreakError, PreflightError
from daybreak.extras.backup.telling import Deadline

CHUNK_BYTES = 256 * 1024
MOST_SAID_BYTES = 64 * 1024
MOST_LINES = 12


class ProgramFailed(DaybreakError):
    """A program that ended with an error; `lines` are the last that it has said."""

    def __init__(self, message: str, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.lines = tuple(lines)

    def details(self) -> list[str]:
        return list(self.lines)


@dataclass(frozen=True)
class Place:
    """Where programs run: `prefix` leads into a container, `folder` is that of the server's programs on this machine,
    and `env` goes over this process's own environment."""

    prefix: tuple[str, ...] = ()
    folder: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"

    def require(self, *programs: str) -> None:
        """Raise PreflightError for what is not there; what is in a container is not looked for."""
        missing = [] if self.prefix else [name for name in programs if self._found(name) is None]
        if missing:
            raise PreflightError(
                [f"PostgreSQL in {self.folder} has no {', '.join(missing)}, and there is none in PATH"],
                hint="install the client programs of the same version, such as postgresql-client",
            )

    def output(self, words: Sequence[str], deadline: Deadline, *, text: str = "") -> tuple[str, list[str]]:
        """What a program prints that is given a text, and the lines of its errors. Raises ProgramFailed."""
        said: list[str] = []
        with self._running(words, deadline, said) as process:
            printed, _ = process.communicate(text.encode())
        return printed.decode(errors="replace"), said

    def pour_out(self, words: Sequence[str], sink: Callable[[bytes], None], deadline: Deadline) -> None:
        """Give all that a program prints to the sink. Raises ProgramFailed, and what the sink raises."""
        with self._running(words, deadline, []) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.close()
            # As it comes: a reader that cannot take it says so at once.
            while chunk := os.read(process.stdout.fileno(), CHUNK_BYTES):
                sink(chunk)

    def pour_in(
        self,
        words: Sequence[str],
        source: IO[bytes],
        deadline: Deadline,
        tell: Callable[[int], None] = lambda _: None,
    ) -> list[str]:
        """Let a program read the source, and tell how much it has read; the lines of its errors.

        Raises ProgramFailed.
        """
        said: list[str] = []
        with self._running(words, deadline, said, silent=True) as process:
            assert process.stdin
            size = 0
            # What it does not read any more is told by its end.
            with contextlib.suppress(BrokenPipeError):
                while chunk := source.read(CHUNK_BYTES):
                    process.stdin.write(chunk)
                    size += len(chunk)
                    tell(size)
                process.stdin.close()
        return said

    @contextlib.contextmanager
    def _running(
        self, words: Sequence[str], deadline: Deadline, said: list[str], *, silent: bool = False
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The program while the block lasts; then its end is waited for, which must be a good one."""
        with tempfile.TemporaryFile() as errors:
            process = self._started(words, errors, silent)
            timer = threading.Timer(deadline.left_s, _kill, [process])
            timer.daemon = True
            timer.start()
            try:
                yield process
                code = process.wait()
            finally:
                timer.cancel()
                _end(process)
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - MOST_SAID_BYTES))
            said += errors.read().decode(errors="replace").splitlines()
        if code != 0 and deadline.passed:
            raise deadline.too_late(words[0])
        if code != 0:
            why = next((line for line in said if "error" in line.lower()), said[-1] if said else f"exit code {code}")
            raise ProgramFailed(f"{words[0]} failed: {why}", said[-MOST_LINES:])

    def _started(self, words: Sequence[str], errors: IO[bytes], silent: bool) -> subprocess.Popen[bytes]:
        program = words[0] if self.prefix else self._found(words[0]) or words[0]
        try:
            return subprocess.Popen(
                [*self.prefix, program, *words[1:]],
                env={**_own_environment(), **self.env},
                cwd=self.cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL if silent else subprocess.PIPE,
                stderr=errors,
                # Ctrl-C is this process's affair: it ends them, and then tidies up.
                start_new_session=True,
            )
        except OSError as error:
            raise PreflightError([f"{words[0]} cannot be started: {error.strerror}"]) from error

    def _found(self, name: str) -> str | None:
        return shutil.which(name, path=self.folder) or shutil.which(name)


def _own_environment() -> dict[str, str]:
    """This process's, without what would lead a program of PostgreSQL elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """A program that has not ended, with the helpers it has started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it is left, and no pipe to it."""
    _kill(process)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def in_container(identity: str) -> Place:
    """Beside a container's first program. Raises EngineError where there is no `docker` command."""
    program = shutil.which("docker")
    if program is None:
        raise refusals.command_missing()
    address = refusals.address()
    # The command would ask the engine of its own context, which may be another one.
    env = {"DOCKER_HOST": f"unix://{address}" if address.startswith("/") else address}
    return Place((program, "exec", "-i", identity), env=env)
