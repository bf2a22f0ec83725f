"""The programs that run in the containers, run here."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from daybreak.export.compose import PROGRAMS

NODE = [sys.executable, "-IS", str(PROGRAMS / "node.py")]


def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=20, env=env)


def test_secrets_become_variables_of_the_command_alone(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://a:b c@d/e\n")
    env = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "DATABASE_URL_FILE": str(tmp_path / "url"), "A_FILE": "x"}
    done = run("sh", str(PROGRAMS / "enter.sh"), "sh", "-c", 'echo "$DATABASE_URL|$HOME|$USER|${A-unset}"', env=env)
    assert done.stdout == "postgresql://a:b c@d/e|/tmp|ray|unset\n"


def test_a_secret_that_cannot_be_read_ends_the_start(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "DATABASE_URL_FILE": str(tmp_path / "none")}
    done = run("sh", str(PROGRAMS / "enter.sh"), "echo", "started", env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "DAYBREAK_USER" in done.stderr


def test_the_container_ends_with_its_node() -> None:
    assert run(*NODE, "--", "sh", "-c", "exit 3").returncode == 3
    # That a node ends by itself is never right.
    assert run(*NODE, "--", "true").returncode == 1


def test_a_worker_waits_for_the_head_and_not_for_ever() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        done = run(*NODE, "--after", address, "--within", "0.5", "--", "sh", "-c", "exit 3")
        assert done.returncode == 1
        assert f"{address} does not answer within 0.5 s" in done.stdout
        held.listen()
        assert run(*NODE, "--after", address, "--", "sh", "-c", "exit 3").returncode == 3


def test_it_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    mark = tmp_path / "asked"
    script = f"trap 'echo > {mark}; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    with subprocess.Popen([*NODE, "--", "sh", "-c", script], stdout=subprocess.PIPE) as node:
        assert node.stdout
        assert node.stdout.readline() == b"up\n"
        node.send_signal(signal.SIGTERM)
        assert node.wait(10) == 0
    assert mark.exists()


def test_all_of_the_node_is_asked_to_end(tmp_path: Path) -> None:
    mark = tmp_path / "asked"
    inner = f"trap 'echo > {mark}; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    command = ["sh", "-c", 'sh -c "$1"; sleep 60', "sh", inner]
    with subprocess.Popen([*NODE, "--", *command], stdout=subprocess.PIPE) as node:
        assert node.stdout
        assert node.stdout.readline() == b"up\n"
        node.send_signal(signal.SIGTERM)
        assert node.wait(10) == 0
    deadline = time.monotonic() + 5
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_ends_when_a_vital_process_has() -> None:
    # A name that nothing else here has.
    name = f"vital-{os.getpid()}"[:15]
    command = ["bash", "-c", f"(printf %s {name} > /proc/$BASHPID/comm; sleep 2.5; :) & exec sleep 60"]
    began = time.monotonic()
    done = run(*NODE, "--vital", name, "--", *command)
    assert done.returncode == 1
    assert f"{name} has ended" in done.stdout
    assert time.monotonic() - began < 15


def test_probes() -> None:
    probe = [sys.executable, "-IS", str(PROGRAMS / "probe.py")]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response({"/ok": 200, "/moved": 302}.get(self.path, 500))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        assert run(*probe, "tcp", str(port)).returncode == 0
        assert run(*probe, "http", f"http://127.0.0.1:{port}/ok").returncode == 0
        assert run(*probe, "http", f"http://127.0.0.1:{port}/moved").returncode == 0
        failed = run(*probe, "http", f"http://127.0.0.1:{port}/bad")
        assert failed.returncode == 1
        assert failed.stderr.strip().endswith(": 500")
        server.shutdown()
    assert run(*probe, "tcp", str(port)).returncode == 1
