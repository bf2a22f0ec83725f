"""A small server that misbehaves on purpose: its paths say how."""

from __future__ import annotations

import base64
import hashlib
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.helpers import DEADLINE_S

WHOLE = b"HTTP/1.1 200 OK\r\nX-Version: 7\r\nContent-Length: 4\r\n\r\n7777"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# What is sent before the connection is ended.
ENDINGS = {
    "/nothing": b"",
    "/half-head": b"HTTP/1.1 200 O",
    "/half-body": WHOLE[:-2],
    "/half-chunks": CHUNKED + b"2\r\n0\n\r\n",
    "/garbage": b"\0\1\2\r\n\r\n",
}
# What is sent on a connection that stays.
ANSWERS = {
    "/whole": WHOLE,
    "/stream": CHUNKED + b"2\r\n0\n\r\n4;x=y\r\nend\n\r\n0\r\nTrailer: yes\r\n\r\n",
    "/last-part-missing": CHUNKED + b"2\r\n0\n\r\n0\r\n\r\n",
    "/404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "/500": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "/503": b"HTTP/1.1 503 Oops\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "/302": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "/silent": b"",
}
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Misbehaving(socketserver.ThreadingTCPServer):
    """The server's counters, and its one lever: while `answering` is cleared, nothing is answered."""

    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port: int = self.server_address[1]
        self.received: Counter[str] = Counter()
        self.connections = 0
        self.answering = threading.Event()
        self.answering.set()
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def end(self) -> None:
        """Returns when each connection's thread has ended."""
        self.shutdown()
        self.answering.set()
        for connection in self.open.copy():
            with suppress(OSError):  # it has just ended
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Connection(socketserver.StreamRequestHandler):
    server: Misbehaving

    def handle(self) -> None:
        self.server.connections += 1
        with suppress(OSError, EOFError):
            while self._answer():
                pass

    def _answer(self) -> bool:
        """Whether the connection stays."""
        head = self._head()
        path = head.split(b" ")[1].decode()
        self.server.received[path] += 1
        self.server.answering.wait(DEADLINE_S)
        if path.startswith("/ws"):
            self._talk(path, head)
            return False
        self.wfile.write(ENDINGS[path] if path in ENDINGS else ANSWERS[path])
        return path == "/silent" or (path in ANSWERS and b"Connection: close" not in head)

    def _head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._exactly(1)
        return head

    def _exactly(self, count: int) -> bytes:
        read = self.rfile.read(count)
        if len(read) < count:
            raise EOFError
        return read

    def _talk(self, path: str, head: bytes) -> None:
        """Echoes; the third message of /ws-CODE is answered by a close frame, that of /ws-cut by nothing."""
        fields = [line.partition(b": ") for line in head.split(b"\r\n")]
        key = next(value for name, _, value in fields if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        ending = path.removeprefix("/ws").removeprefix("-")
        number = 0
        while text := self._message():
            number += 1
            if ending and number == 3:
                if ending != "cut":
                    self.wfile.write(b"\x88\x02" + int(ending).to_bytes(2))
                return
            self.wfile.write(b"\x89\x00")  # a ping, to be answered
            echo = b"7 " + text
            self.wfile.write(bytes((0x81, len(echo))) + echo)

    def _message(self) -> bytes:
        """The text of the next message; empty at the end."""
        while True:
            first, second = self._exactly(2)
            mask = self._exactly(4)
            masked = self._exactly(second & 0x7F)
            if first == 0x81:
                return bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))
            if first == 0x88:
                return b""


@contextmanager
def misbehaving() -> Iterator[Misbehaving]:
    """A server of that kind at its `port`, in threads: asyncio loses what it is accepting when its server ends."""
    server = Misbehaving()
    accepting = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    accepting.start()
    try:
        yield server
    finally:
        server.end()
        accepting.join()
