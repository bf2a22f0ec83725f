"""A dashboard's jobs API that does what a test tells it to, on a real socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from daybreak.extras.jobs.rest import OK, JobsApi


@dataclass
class Dashboard:
    """`texts`: what each connection that follows sends before it breaks; the last one ends as Ray ends it."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: list[Sequence[str]] = field(default_factory=list)
    log: str = ""
    over_after: int = 1
    connections: int = 0
    packages: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str | None] = field(default_factory=set)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200


def details(job: str, status: str = "RUNNING", **more: Any) -> dict[str, Any]:
    return {"submission_id": job, "status": status, "type": "SUBMISSION", "entrypoint": "python x.py", **more}


def frame(data: bytes, kind: int = 1, *, final: bool = True) -> bytes:
    """As a server sends it."""
    first = (0x80 if final else 0) | kind
    size = len(data)
    if size < 126:
        return bytes([first, size]) + data
    if size < 1 << 16:
        return bytes([first, 126]) + size.to_bytes(2, "big") + data
    return bytes([first, 127]) + size.to_bytes(8, "big") + data


class Handler(BaseHTTPRequestHandler):
    dashboard: Dashboard

    def do_GET(self) -> None:
        self.dashboard.tokens.add(self.headers["Authorization"])
        path = self.path
        if path.endswith("/logs/tail"):
            self._tail()
        elif path.endswith("/logs"):
            self._answer(200, {"logs": self.dashboard.log})
        elif path.startswith("/api/packages/"):
            self._answer(200 if path in self.dashboard.packages else 404, "")
        elif path == "/api/jobs/":
            self._answer(self.dashboard.status, list(self.dashboard.jobs.values()))
        else:
            found = self.dashboard.jobs.get(path.rpartition("/")[2])
            self._answer(200 if found else 404, found or "Job x does not exist")

    def do_PUT(self) -> None:
        self.dashboard.packages[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, "")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/api/jobs/":
            self.dashboard.submitted.append(json.loads(body))
            refusal = "Traceback\n  File x\nValueError: no such thing"
            self._answer(self.dashboard.status, {} if self.dashboard.status == OK else refusal)
        else:
            job = self.dashboard.jobs[self.path.split("/")[3]]
            stopped = job["status"] == "RUNNING"
            job["status"] = "STOPPED" if stopped else job["status"]
            self._answer(200, {"stopped": stopped})

    def _tail(self) -> None:
        number = self.dashboard.connections
        self.dashboard.connections += 1
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
        last = number >= len(self.dashboard.texts) - 1
        self.wfile.write(frame(b"", 9))
        for text in self.dashboard.texts[min(number, len(self.dashboard.texts) - 1)]:
            half = len(text) // 2
            self.wfile.write(frame(text[:half].encode(), final=False) + frame(text[half:].encode(), 0))
        if self.dashboard.connections >= self.dashboard.over_after:
            for job in self.dashboard.jobs.values():
                job["status"] = "SUCCEEDED"
        if last:
            self.wfile.write(frame(b"\x03\xe8", 8))
        self.close_connection = True

    def _answer(self, status: int, value: Any) -> None:
        body = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def answering(dashboard: Dashboard, token_file: str | None = None) -> Iterator[JobsApi]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Its", (Handler,), {"dashboard": dashboard}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield JobsApi(f"http://127.0.0.1:{server.server_address[1]}", token_file)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def nobody() -> JobsApi:
    """Where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return JobsApi(f"http://127.0.0.1:{taken.getsockname()[1]}")
