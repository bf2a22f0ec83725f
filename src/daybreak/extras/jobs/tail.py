"""What a job prints, as it comes: a WebSocket of the jobs API, read with no library (RFC 6455, a client's half)."""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Iterator
from urllib.parse import quote

from daybreak.extras.jobs.rest import JobsApi, Unreachable

CONNECT_S = 30.0
# So long nothing may come before the caller is given a turn.
QUIET_S = 0.5
SWITCHING = b"101"
MOST_HEAD_BYTES = 64 * 1024
CONTINUED, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
FINAL, MASKED, TWO_BYTES, EIGHT_BYTES = 0x80, 0x80, 126, 127


class Tail:
    """One connection. Iterating gives texts from the first line on, None after each quiet while, and ends with it.

    `closed`: the other side has said that nothing more comes."""

    def __init__(self, jobs: JobsApi, job: str) -> None:
        self.closed = False
        self._buffer = b""
        host, port = jobs.place()
        try:
            self._socket = socket.create_connection((host, port), CONNECT_S)
        except OSError as error:
            raise Unreachable(f"Ray's jobs API at {jobs.url} does not answer: {error}") from error
        try:
            self._shake_hands(f"{host}:{port}", f"/api/jobs/{quote(job, safe='')}/logs/tail", jobs.headers())
        except OSError as error:
            self.close()
            raise Unreachable(f"the logs of job {job} cannot be followed: {error}") from error
        self._socket.settimeout(QUIET_S)

    def close(self) -> None:
        self._socket.close()

    def __iter__(self) -> Iterator[str | None]:
        parts: list[bytes] = []
        while True:
            try:
                final, kind, data = self._frame()
            except TimeoutError:
                yield None
                continue
            except OSError:
                return
            if kind == CLOSE:
                self.closed = True
                return
            if kind == PING:
                self._send(PONG, data)
            elif kind in (TEXT, CONTINUED):
                parts.append(data)
                if final:
                    yield b"".join(parts).decode(errors="replace")
                    parts = []

    def _shake_hands(self, host: str, path: str, headers: dict[str, str]) -> None:
        lines = {
            "Host": host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            **headers,
        }
        asked = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._socket.sendall(f"GET {path} HTTP/1.1\r\n{asked}\r\n".encode())
        while b"\r\n\r\n" not in self._buffer and len(self._buffer) < MOST_HEAD_BYTES:
            self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first = head.split(b"\r\n", 1)[0]
        if first.split(b" ")[1:2] != [SWITCHING]:
            raise ConnectionError(f"answered with {first.decode(errors='replace')}")

    def _frame(self) -> tuple[bool, int, bytes]:
        """Whether it is a message's last, its kind, what it holds. Only a whole one is taken from the buffer: a
        TimeoutError loses nothing."""
        self._need(2)
        size, begin = self._buffer[1] & ~MASKED, 2
        for mark, length, form in ((TWO_BYTES, 2, "!H"), (EIGHT_BYTES, 8, "!Q")):
            if size == mark:
                begin += length
                self._need(begin)
                (size,) = struct.unpack(form, self._buffer[2:begin])
                break
        self._need(begin + size)
        first, data = self._buffer[0], self._buffer[begin : begin + size]
        self._buffer = self._buffer[begin + size :]
        return bool(first & FINAL), first & 0x0F, data

    def _need(self, size: int) -> None:
        while len(self._buffer) < size:
            self._receive()

    def _receive(self) -> None:
        received = self._socket.recv(64 * 1024)
        if not received:
            raise ConnectionError("the connection was closed")
        self._buffer += received

    def _send(self, kind: int, data: bytes) -> None:
        """A short one: control frames have 125 bytes at most. A client's are masked, here with zeros."""
        self._socket.sendall(bytes([FINAL | kind, MASKED | len(data), 0, 0, 0, 0]) + data)
