"""One Redis-compatible server, spoken to in its own protocol: a snapshot of it is what a replica would get, so it needs
no program, no file of the server's, and no place on its disk that anybody knows."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from daybreak.errors import DaybreakError
from daybreak.extras.backup.archive import CHUNK_BYTES, Sink, Writer
from daybreak.extras.backup.manifest import Kind
from daybreak.extras.backup.telling import Deadline
from daybreak.names import REDIS

CONNECT_S = 10.0
# While it makes a snapshot the server says that it lives, about every ten seconds.
SILENCE_S = 90.0
# What a snapshot begins with, whoever wrote it.
MAGIC = (b"REDIS", b"VALKEY")
MARK_BYTES = 40


class RedisFailed(DaybreakError):
    """The server refused, or does not answer."""


@dataclass(frozen=True)
class Address:
    """Where a server listens, and its password."""

    host: str
    port: int
    password: str = field(repr=False)

    @classmethod
    def in_file(cls, path: Path) -> Address:
        """From the file that holds the server's URL. Raises OSError or ValueError."""
        found = urlsplit(path.read_text().strip())
        return cls(found.hostname or "", found.port or 0, unquote(found.password or ""))


class Session:
    """One connection that is logged in."""

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._socket = connected
        self._deadline = deadline
        self._file: BinaryIO = connected.makefile("rb")

    def ask(self, *words: str) -> str:
        """The answer to a command, as text. Raises RedisFailed for an error."""
        self.send(*words)
        line = self.line()
        if line[:1] == b"$":
            return b"".join(self.take(int(line[1:]) + 2)).decode(errors="replace").strip()
        return line[1:].decode(errors="replace")

    def send(self, *words: str) -> None:
        parts = [word.encode() for word in words]
        self._patient()
        self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))

    def line(self) -> bytes:
        """The next line that says something. Raises RedisFailed for an error, and at the connection's end."""
        while True:
            self._patient()
            line = self._file.readline(CHUNK_BYTES)
            if not line:
                raise RedisFailed("the server has closed the connection")
            line = line.strip()
            if line.startswith(b"-"):
                raise RedisFailed(line[1:].decode(errors="replace"))
            if line:
                return line

    def take(self, size: int) -> Iterator[bytes]:
        """So many bytes, in parts. Raises RedisFailed where fewer come."""
        while size > 0:
            self._patient()
            chunk = self._file.read(min(size, CHUNK_BYTES))
            if not chunk:
                raise RedisFailed("the server has closed the connection before all had come")
            size -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _patient(self) -> None:
        if self._deadline.passed:
            raise self._deadline.too_late("the snapshot of Redis")
        self._socket.settimeout(min(SILENCE_S, self._deadline.left_s))


@contextlib.contextmanager
def session(address: Address, deadline: Deadline) -> Iterator[Session]:
    """A connection to the server. Raises RedisFailed where it cannot be reached, and where it is silent, TooLate."""
    try:
        timeout_s = min(CONNECT_S, deadline.left_s)
        connected = socket.create_connection((address.host, address.port), timeout_s)
    except OSError as error:
        if deadline.passed:
            raise deadline.too_late("the snapshot of Redis") from error
        raise RedisFailed(f"Redis does not answer at {address.host}:{address.port}: {error}") from error
    made = Session(connected, deadline)
    try:
        if address.password:
            made.ask("AUTH", address.password)
        yield made
    except TimeoutError as error:
        if deadline.passed:
            raise deadline.too_late("the snapshot of Redis") from error
        raise RedisFailed(f"Redis has been silent for {SILENCE_S:g} s") from error
    except ConnectionError as error:
        raise RedisFailed(f"the connection to Redis broke: {error}") from error
    finally:
        made.close()


def version_of(asking: Session) -> str:
    """`valkey 9.1.2` or `redis 7.2.4`."""
    facts = dict(line.split(":", 1) for line in asking.ask("INFO", "server").splitlines() if ":" in line)
    known = (("valkey", facts.get("valkey_version")), ("redis", facts.get("redis_version")))
    return next((f"{name} {version.strip()}" for name, version in known if version), "redis")


def snapshot(asking: Session, sink: Sink) -> None:
    """Give the sink all that the server holds at one moment. Raises RedisFailed."""
    asking.send("SYNC")
    line = asking.line()
    if not line.startswith(b"$") or not line[1:].isdigit():
        raise RedisFailed(f"it answers to SYNC with {line[:MARK_BYTES].decode(errors='replace')!r}")
    began = b""
    for chunk in asking.take(int(line[1:])):
        began = began or chunk
        sink(chunk)
    if not began.startswith(MAGIC):
        raise RedisFailed("what it has sent is no snapshot")


def back_up(address: Address, writer: Writer, deadline: Deadline) -> str:
    """Write a snapshot of the server; its version. Raises RedisFailed."""
    with session(address, deadline) as asking:
        version = version_of(asking)
        with writer.part(REDIS, Kind.SNAPSHOT) as sink:
            snapshot(asking, sink)
    return version
