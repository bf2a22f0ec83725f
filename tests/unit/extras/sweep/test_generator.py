"""The load generator: what it counts, and as a process against a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from daybreak.errors import DaybreakError
from daybreak.extras.sweep.generator import Recorder, percentile
from daybreak.extras.sweep.process import LoadProcess, Request
from daybreak.extras.sweep.result import Answers
from tests.helpers import until


def test_percentiles() -> None:
    assert percentile([], 50) is None
    assert percentile([7.0], 99) == 7.0
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, percent) for percent in (50, 95, 99, 100)] == [50.0, 95.0, 99.0, 100.0]


def test_only_what_ends_in_the_measurement_counts() -> None:
    recorder = Recorder(began=10.0, duration_s=2.0)
    for sent, done, error in (
        (9.0, 9.9, None),
        (9.9, 10.0, None),
        (10.5, 11.5, None),
        (11.0, 11.9, "503"),
        (11.9, 12.0, None),
    ):
        recorder.add(sent, done, error)
    result = recorder.result(cpu_s=1.0)
    assert (result["ok"], result["errors"], result["per_second"]) == (2, {"503": 1}, [1, 1])
    assert result["p99_ms"] == 1000.0
    assert result["generator_cpu"] == 0.5


class Handler(BaseHTTPRequestHandler):
    """Answers 200 to what it was told to expect, 500 to everything else."""

    protocol_version = "HTTP/1.1"
    bodies: ClassVar[list[tuple[str, bytes]]] = []
    tenants: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.tenants.append(self.headers["X-Tenant"])
        self.bodies.append((self.headers["Content-Type"], body))
        self._answer(200)

    def do_GET(self) -> None:
        self._answer(500 if self.path == "/broken" else 200)

    def _answer(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.bodies, Handler.tenants = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads = True
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()
        thread.join()


def measured(load: LoadProcess, duration_s: float) -> Answers:
    """A measurement in which a request has ended: on a busy machine a short one may be over before."""
    found: Answers = until(lambda: _not_empty(load.measure(duration_s)), what="a request ends")
    return found


def _not_empty(answers: Answers) -> Answers | None:
    return answers if answers.ok or answers.failed else None


def test_a_load_is_measured(server: str) -> None:
    with LoadProcess(Request(f"{server}/", "GET", None, connections=2)) as load:
        answers = measured(load, 0.3)
    assert answers.ok > 0
    assert answers.failed == 0
    assert answers.p50_ms is not None
    assert answers.p99_ms is not None
    assert 0 < answers.p50_ms <= answers.p99_ms
    assert sum(answers.per_second) == answers.ok


def test_bodies_are_sent(server: str) -> None:
    with LoadProcess(Request(f"{server}/", "POST", b'{"n": 1}', connections=1)) as load:
        assert measured(load, 0.2).failed == 0
    assert set(Handler.bodies) == {("application/json", b'{"n": 1}')}
    assert Request(f"{server}/", "POST", b"\xff", 1).content_type == "application/octet-stream"


def test_headers_are_sent(server: str) -> None:
    given = (("X-Tenant", "demo"), ("content-type", "text/plain"))
    with LoadProcess(Request(f"{server}/", "POST", b"{}", 1, given)) as load:
        assert measured(load, 0.2).failed == 0
    assert set(Handler.bodies) == {("text/plain", b"{}")}
    assert set(Handler.tenants) == {"demo"}


def test_errors_are_told_by_kind(server: str) -> None:
    with LoadProcess(Request(f"{server}/broken", "GET", None, connections=1)) as load:
        answers = measured(load, 0.2)
    assert answers.ok == 0
    assert set(answers.errors) == {"500"}
    with LoadProcess(Request("http://127.0.0.1:9/", "GET", None, connections=1)) as load:
        assert set(measured(load, 0.2).errors) == {"ClientConnectorError"}


def test_a_generator_that_ends_is_an_error(server: str) -> None:
    with LoadProcess(Request(server, "GET", None, connections=1)) as load:
        load._child.kill()
        with pytest.raises(DaybreakError, match="the load generator ended"):
            load.measure(0.1)
