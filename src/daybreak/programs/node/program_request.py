"""A program that somebody asks a container's first program for; see stand_in.py for the words."""

import base64
import json
import os
import signal
import socket
import sys
import time
from typing import Any, Dict, List, NoReturn, Optional

from ..common.framed import Request

CANNOT_START = 127
MOST_FILES = 1024
# What the first program has handlers for, or Python ignores: a program begins with the system's own ways.
DEFAULTS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ)


def send(pid: int, number: int) -> None:
    """A signal to a process, if it is still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def put(path: str, content: bytes) -> None:
    """A file that this account alone reads; who reads it meanwhile sees the one before, or this one."""
    try:
        with open(path, "rb") as file:
            if file.read() == content:
                return
    except OSError:
        pass
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
        file.write(content)
    os.rename(temporary, path)


class Program:
    """One that somebody asked for: its connection, and its process once it has been started."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.since = time.monotonic()
        self.frame = Request()
        self.request: Optional[Dict[str, Any]] = None
        self.pid = 0

    def read(self) -> None:
        """Take what has come. Raises EOFError where whoever asked has gone, FilesLost."""
        found = self.frame.read(self.connection)
        if found is not None:
            self.request = json.loads(found)

    def signals(self) -> List[int]:
        """The numbers that have come, taken out."""
        if self.request is None:
            return []
        *lines, self.frame.data = self.frame.data.split(b"\n")
        return [int(line.split()[1]) for line in lines if line.startswith(b"signal ")]

    def answer(self, text: str) -> None:
        try:
            self.connection.sendall(f"{text}\n".encode())
        except OSError:
            pass  # it has gone: the program's end is no news to anybody

    def start(self) -> int:
        """Start it; returns its pid."""
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self._become()
        self.frame.close_files()
        return self.pid

    def signal(self, number: int) -> None:
        """To the whole group that it leads; to itself, where it has not come so far."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            send(self.pid, number)

    def _become(self) -> NoReturn:
        """In the fork: take the files, the folder and the environment that were sent, and be the program."""
        try:
            request = self.request
            assert request is not None
            signal.set_wakeup_fd(-1)
            for default in DEFAULTS:
                signal.signal(default, signal.SIG_DFL)
            os.setsid()
            for number, fd in enumerate(self.frame.files[:3]):
                os.dup2(fd, number)
            os.closerange(3, MOST_FILES)
            for path, content in request.get("files", {}).items():
                put(path, base64.b64decode(content))
            os.chdir(request["cwd"])
            os.execvpe(request["argv"][0], request["argv"], {**os.environ, **request["env"]})
        except OSError as error:
            os.write(2, f"cannot be run: {error}\n".encode())
        finally:
            os._exit(CANNOT_START)
