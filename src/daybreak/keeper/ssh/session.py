"""One login on a host with the system's OpenSSH, in which `programs/host/guest.py` runs there.

Nothing of SSH is decided here but that nobody is asked for a password: configuration, agent and known hosts are the
user's. The keeper runs ssh, with the environment of the command that last asked for it: who types `up` has an agent,
and a terminal that is closed afterwards takes it along. A keeper that has come back by itself has none, so that only
keys without a password log in then; what cannot be logged into is told in `status`, and tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from subprocess import PIPE
from typing import Any, BinaryIO

from daybreak.backends.process import limits
from daybreak.backends.process.commands import kill_group
from daybreak.errors import DaybreakError
from daybreak.programs.host import guest

PROGRAM = "ssh"
CONNECT_S = 10
# A host that is gone is noticed after three of these, also in the middle of an installation.
ALIVE_S = 5
OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT_S),
    "ServerAliveInterval": str(ALIVE_S),
    "ServerAliveCountMax": "3",
    # One that is there already is used; none is left behind.
    "ControlMaster": "no",
    "ClearAllForwardings": "yes",
    "RemoteCommand": "none",
}
MOST_LINE_BYTES = 256 * 1024
MOST_SAID_BYTES = 4000
BLOCK_BYTES = 256 * 1024
OF_SSH_CODE = 255
# It reads so many bytes of itself; whatever the login shell is, it sees one word in quotes.
_BOOT = "import sys; exec(sys.stdin.buffer.read({size}))"
_FIRST = 'for p in {pythons}; do command -v "$p" >/dev/null 2>&1 && exec "$p" -I -c "{boot}"; done; exit 127'
NO_PYTHON_CODE = 127


class Away(DaybreakError):
    """The host cannot be logged into, or the connection has ended."""


class Refused(DaybreakError):
    """The host was reached, and something there speaks against it."""


def command_line(destination: str, pythons: str, size: int) -> list[str]:
    """What logs in there, and runs a program of that size that comes over standard input."""
    options = [word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}")]
    script = _FIRST.format(pythons=pythons, boot=_BOOT.format(size=size))
    return [PROGRAM, "-T", "-a", "-x", *options, "--", destination, f"exec sh -c '{script}'"]


class Session:
    """A program that runs there."""

    def __init__(self, process: Process, pythons: str) -> None:
        self._process, self._pythons = process, pythons
        self._said = bytearray()
        self._listening = asyncio.create_task(self._listen(), name="what ssh says")

    async def send(self, order: Mapping[str, Any]) -> None:
        await self._write(json.dumps(order).encode() + b"\n")

    async def send_file(self, file: BinaryIO, size: int) -> None:
        await self.send({"bytes": size})
        while block := await asyncio.to_thread(file.read, BLOCK_BYTES):
            await self._write(block)

    async def hear(self) -> dict[str, Any]:
        """Its next message. Raises Refused where that is one of refusal, Away where none comes."""
        assert self._process.stdout
        mark = guest.MARK.encode()
        try:
            while line := await self._process.stdout.readline():
                if line.startswith(mark):
                    found: dict[str, Any] = json.loads(line.removeprefix(mark))
                    if "refused" in found:
                        raise Refused(str(found["refused"]), hint=str(found.get("hint") or "") or None)
                    return found
        except ValueError as error:
            raise Away(f"what it says cannot be understood: {error}") from error
        raise await self._ended()

    async def _write(self, data: bytes) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except OSError as error:
            raise await self._ended() from error

    async def _ended(self) -> DaybreakError:
        """Why, in ssh's words, or in the program's."""
        code = await self._process.wait()
        await self._listening
        lines = self._said.decode(errors="replace").strip().splitlines()
        if code == OF_SSH_CODE:
            return Away(lines[-1].strip() if lines else "ssh ended without a word")
        if code == NO_PYTHON_CODE:
            return Refused(f"there is no {self._pythons.replace(' ', ' or ')} there", hint="name one with `python:`")
        return Refused("\n".join([f"exit code {code}", *lines[-12:]]))

    async def _listen(self) -> None:
        assert self._process.stderr
        while block := await self._process.stderr.read(MOST_SAID_BYTES):
            self._said = (self._said + block)[-MOST_SAID_BYTES:]

    async def end(self) -> None:
        if self._process.returncode is None:
            kill_group(self._process.pid)
            await self._process.wait()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)


@contextlib.asynccontextmanager
async def logged_in(destination: str, pythons: str, environment: Mapping[str, str]) -> AsyncIterator[Session]:
    """`pythons` are interpreters there, of which the first that exists is taken. Raises Away and Refused."""
    program = Path(guest.__file__).read_bytes()
    try:
        process = await asyncio.create_subprocess_exec(
            *command_line(destination, pythons, len(program)),
            env=environment,
            cwd="/",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=MOST_LINE_BYTES,
            start_new_session=True,
        )
    except OSError as error:
        raise Away(f"ssh cannot be run: {error.strerror}") from error
    limits.give_back(process.pid)
    session = Session(process, pythons)
    try:
        await session._write(program)
        yield session
    finally:
        await session.end()
