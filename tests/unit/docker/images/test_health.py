"""The health check's program, against small servers."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from daybreak.programs.recipe import health
from tests.tls import self_signed


@contextmanager
def answering(status: int, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that answers everything with one status; its `host:port/path`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.headers["User-Agent"] else 500)  # as Ray 2.20 does
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}/-/healthz"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


NOWHERE = "127.0.0.1:1/"


def check(*urls: str) -> tuple[int, str]:
    """Run the program as the engine does."""
    command = [sys.executable, "-IS", health.__file__]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={"DAYBREAK_HEALTH_URLS": " ".join(urls)}
    )
    return done.returncode, done.stdout + done.stderr


def test_one_that_answers_is_enough() -> None:
    with answering(200) as well:
        assert check(NOWHERE, well) == (0, f"{well}: 200\n")
        assert check(f"http://{well}")[0] == 0


def test_tls_is_spoken_whatever_the_certificate(tmp_path: Path) -> None:
    with answering(200, self_signed(tmp_path)) as well:
        assert check(f"https://{well}") == (0, f"https://{well}: 200\n")


def test_ill_is_who_answers_otherwise_and_who_does_not() -> None:
    with answering(503) as ill:
        code, said = check(ill, NOWHERE)
    assert code == 1
    assert "503" in said
    assert "refused" in said


@pytest.mark.parametrize("url", ["no-such-name.invalid:80/", "127.0.0.1:port/", ""])
def test_nonsense_is_ill_and_no_traceback(url: str) -> None:
    code, said = check(url or "x")
    assert code == 1
    assert "Traceback" not in said


def test_without_the_variable_a_head_and_a_worker_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {health.SERVE: "refused", health.HEAD: "503", health.WORKER: "200"}
    monkeypatch.delenv("DAYBREAK_HEALTH_URLS", raising=False)
    monkeypatch.setattr(sys, "argv", ["health.py"])
    monkeypatch.setattr(health, "answer", lambda url, timeout_s: answers[url])
    assert health.main() == 1  # a head whose GCS is ill, though its raylet is well
    answers[health.HEAD] = "refused"
    assert health.main() == 0  # a worker
    answers[health.SERVE] = "200"
    assert health.main() == 0
