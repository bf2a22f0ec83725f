"""A webhook is a real server here, and a command a real program: what arrives, and what is said where it does not."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.alerting import destinations as module
from daybreak.keeper.alerting.alert import Status, trial
from daybreak.keeper.alerting.destinations import Sent, Webhook, destinations
from daybreak.programs import alert as package
from daybreak.programs.alert import post
from daybreak.spec.model import Alerts

TOKEN = "T0/B0/s3cr3t-t0k3n"  # noqa: S105
MESSAGE = trial().message("shop", Status.TEST, now=time.time())


class Server(ThreadingHTTPServer):
    """Answers with `status`; what it is sent it keeps."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = status
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.asked = threading.Event()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{TOKEN}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.server.asked.set()
        if not self.server.status:
            self.server.over.wait()
            return
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", self.server.url)
        self.end_headers()
        self.wfile.write(f"no {self.path} here".encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def server(status: int = 200) -> Iterator[Server]:
    made = Server(status)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        made.over.set()
        made.shutdown()
        thread.join()
        made.server_close()


def send(alerts: dict[str, Any], base: Path = Path("/"), **environment: str) -> tuple[str, Sent]:
    """What the only destination is called, and what became of one attempt."""
    ((_, found),) = destinations(Alerts.model_validate(alerts), base, os.environ | environment).items()
    return found.told, asyncio.run(found.send(MESSAGE))


def test_a_webhook_gets_the_alert_as_json() -> None:
    with server() as there:
        told, sent = send({"webhook": there.url})
    assert (told, sent) == ("the webhook at 127.0.0.1", Sent())
    ((path, headers, body),) = there.got
    assert path == f"/{TOKEN}"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == MESSAGE
    assert json.loads(body)["text"].startswith("[TEST] shop on ")


@pytest.mark.parametrize(
    ("status", "again", "reason"),
    [
        (500, True, "HTTP 500: no ******** here"),
        (429, True, "HTTP 429: no ******** here"),
        (404, False, "HTTP 404: no ******** here"),
        (302, False, "HTTP 302: it is elsewhere now; redirects are not followed"),
    ],
)
def test_an_answer_that_is_no_yes_is_told_without_the_address(status: int, again: bool, reason: str) -> None:
    with server(status) as there:
        _, sent = send({"webhook": there.url})
    assert sent == Sent(reason, again)
    assert len(there.got) == 1


def test_one_that_hangs_is_left_after_its_deadline() -> None:
    with server(0) as there:
        began = time.monotonic()
        _, sent = send({"webhook": there.url, "timeout": "300ms"})
    assert sent == Sent("no answer in time")
    assert time.monotonic() - began < module.START_S


def test_where_nobody_listens_and_behind_a_proxy() -> None:
    with server() as there:
        pass
    assert send({"webhook": there.url})[1] == Sent("Connection refused")
    with server() as proxy:
        _, sent = send({"webhook": "http://hooks.example.com/x"}, http_proxy=f"http://127.0.0.1:{proxy.server_port}")
    assert sent == Sent()
    assert proxy.got[0][0] == "http://hooks.example.com/x"


def test_the_address_is_in_no_command_line_and_an_account_in_it_is_sent_as_http_has_it() -> None:
    with server(0) as there:
        url = there.url.replace("127", "me:p%40ss@127", 1)
        alerts = Alerts.model_validate({"webhook": url, "timeout": 2})
        ((_, found),) = destinations(alerts, Path("/"), os.environ).items()
        lines: list[bytes] = []

        def look() -> None:
            there.asked.wait(60)
            for each in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    lines.append(each.read_bytes())
                except OSError:
                    continue
            there.over.set()

        looking = threading.Thread(target=look)
        looking.start()
        asyncio.run(found.send(MESSAGE))
        looking.join()
    assert any(package.PROGRAM.encode() in line for line in lines)
    assert not any(TOKEN.encode() in line for line in lines)
    assert there.got[0][1]["authorization"] == "Basic bWU6cEBzcw=="
    assert TOKEN not in repr(found)


def test_an_address_in_a_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "hook"
    alerts = {"webhook_file": "hook"}
    told, sent = send(alerts, tmp_path)
    assert told == f"the webhook in {file}"
    assert sent == Sent(f"{file} cannot be read: No such file or directory")
    file.write_text("nonsense")
    assert send(alerts, tmp_path)[1].reason.startswith(f"{file} holds no URL")
    with server() as there:
        file.write_text(f"{there.url}\n")
        assert send(alerts, tmp_path) == ("the webhook at 127.0.0.1", Sent())
    assert isinstance(destinations(Alerts.model_validate(alerts), tmp_path, {})["webhook"], Webhook)


def test_a_command_gets_it_on_its_standard_input_and_what_it_prints_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told, sent = send({"command": ["sh", "-c", "cat > got; echo done; echo well"]}, tmp_path)
    assert (told, sent) == ("the command sh", Sent())
    assert json.loads((tmp_path / "got").read_text()) == MESSAGE
    assert [record.getMessage() for record in caplog.records if "|" in record.getMessage()] == [
        "sh | done",
        "sh | well",
    ]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["sh", "-c", "echo nobody there; exit 3"], "exit code 3: nobody there"),
        (["sh", "-c", "sleep 100 & sleep 100"], "no answer within 0.3 s"),
        (["./absent"], "exit code 127: ./absent: No such file or directory"),
        (["true"], ""),
    ],
)
def test_a_command_that_fails_hangs_or_is_not_there(command: list[str], reason: str, tmp_path: Path) -> None:
    assert send({"command": command, "timeout": "300ms" if reason.startswith("no answer") else 60}, tmp_path)[1] == (
        Sent(reason)
    )


def test_the_program_and_the_package_mean_the_same_by_a_refusal() -> None:
    assert package.REFUSED == post.REFUSED
    assert Path(package.PROGRAM) == Path(str(post.__file__))
