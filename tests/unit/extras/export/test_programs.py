"""The programs that run in the containers, run here."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

from daybreak.extras.export.compose import PROGRAMS, SHELF
from tests.helpers import DEADLINE_S

PROBE = [sys.executable, "-IS", str(SHELF / "recipe/health.py")]


def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=DEADLINE_S, env=env)


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


def test_probes() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response({"/ok": 200, "/moved": 302}.get(self.path, 500))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        assert run(*PROBE, f"tcp://127.0.0.1:{port}").returncode == 0
        assert run(*PROBE, f"http://127.0.0.1:{port}/ok").returncode == 0
        assert run(*PROBE, f"http://127.0.0.1:{port}/moved").returncode == 0
        failed = run(*PROBE, f"http://127.0.0.1:{port}/bad")
        assert failed.returncode == 1
        assert failed.stdout.strip().endswith(": 500")
        server.shutdown()
    assert run(*PROBE, f"tcp://127.0.0.1:{port}").returncode == 1
