"""Whoever asks the template for something: its socket, and each connection with the request that comes in."""

import errno
import marshal
import os
import signal
import socket
import struct
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..common import framed

BACKLOG = 512
# A launcher that has not finished its request by then is cut off.
REQUEST_S = 10.0
# Between attempts to take a connection where that fails (seconds).
AGAIN_S = 0.1


class Refused(Exception):
    """The real interpreter must do it."""


class Launcher:
    """One connection: a request coming in, then its files, then a running fork. See launcher.py for the words."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.fd = connection.fileno()
        self.frame = framed.Request()
        self.request: Optional[Dict[str, Any]] = None
        self.offered = False
        self.door: Optional[socket.socket] = None
        self.pid = 0
        self._since = time.monotonic()

    @property
    def program(self) -> Dict[str, Any]:
        assert self.request is not None
        found: Dict[str, Any] = self.request["program"]
        return found

    @property
    def slow(self) -> bool:
        return self.request is None and time.monotonic() - self._since > REQUEST_S

    @property
    def fds(self) -> List[int]:
        return self.frame.files

    def read(self) -> bool:
        """Take what has come; True when the request is complete, and again when all files are here. Raises EOFError
        where the launcher has gone or given up, Refused where something of it was lost."""
        try:
            found = self.frame.read(self.connection)
            if found is not None:
                self.request = marshal.loads(found)
        except framed.FilesLost as lost:
            raise Refused(str(lost)) from None
        except (ValueError, TypeError) as error:
            raise Refused(f"unreadable request: {error}") from None
        if self.request is None or found is not None:
            return found is not None
        if not self.offered or self.pid or self.frame.data.strip(b"G"):
            raise EOFError
        return len(self.fds) == len(self.request["fds"]) + 1  # the last one is the pipe that holds the fork back

    def answer(self, message: bytes, text: Optional[str] = None) -> None:
        """Tell the launcher; one that has gone is found by its closed connection."""
        if text is not None:
            message += len(text.encode()).to_bytes(4, "little") + text.encode()
        try:
            self.connection.sendall(message)
        except OSError:
            pass

    def offer(self) -> None:
        self.offered = True
        self.answer(b"A")

    def follow(self, number: int) -> None:
        """Stop it, or continue it, as its fork was. Both signals come from here: the kernel keeps their order."""
        peer = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        try:
            os.kill(struct.unpack("3i", peer)[0], number)
        except ProcessLookupError:
            pass  # its end is what comes next

    def close_files(self) -> None:
        self.frame.close_files()
        if self.door is not None:
            self.door.close()
            self.door = None


class Listener:
    """The socket under its name in the file system. Somebody may delete the name: then nobody finds the socket."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._told: Optional[int] = None
        self.socket, self._found = self._bind()

    def _bind(self) -> Tuple[socket.socket, Tuple[int, int]]:
        """Bind under a temporary name and move it into place: a launcher never finds half a socket."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        temporary = f"{self.path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            made.bind(temporary)
            os.chmod(temporary, 0o600)
            made.listen(BACKLOG)
            os.rename(temporary, self.path)
        except OSError:
            made.close()
            raise
        return made, self._file()

    def _file(self) -> Tuple[int, int]:
        found = os.stat(self.path)
        return found.st_dev, found.st_ino

    @property
    def lost(self) -> bool:
        """Does its name no longer lead here?"""
        try:
            return self._file() != self._found
        except OSError:
            return True

    def bind_anew(self) -> socket.socket:
        """Returns the socket that this one takes the place of, for whoever waits there. Raises OSError."""
        old = self.socket
        self.socket, self._found = self._bind()
        return old

    def accept(self, say: Callable[[str], None]) -> List[Launcher]:
        """Everybody who waits. Where files have run out there is a pause: they would wake the loop again at once."""
        found: List[Launcher] = []
        while True:
            try:
                connection, _ = self.socket.accept()
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno == errno.ECONNABORTED:
                    continue
                if self._told != error.errno:
                    say(f"cannot accept: {error}; it is tried again")
                self._told = error.errno
                time.sleep(AGAIN_S)
                return found
            self._told = None
            connection.setblocking(True)
            found.append(Launcher(connection))

    def unlink(self) -> None:
        try:
            if not self.lost:
                os.unlink(self.path)
        except OSError:
            pass


def stops_or_continues(status: int) -> int:
    """The signal that does to another process what this wait status says; 0 where it tells of an end."""
    if os.WIFSTOPPED(status):
        return signal.SIGSTOP
    return signal.SIGCONT if os.WIFCONTINUED(status) else 0
