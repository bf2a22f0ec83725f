"""What a command imports where a keeper runs: half of a command's time, so nothing that it does not need."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import daybreak
from daybreak.api.asking import _stopped_snapshot
from daybreak.keeper.control.spec_reading import Reading
from daybreak.keeper.operations import read
from daybreak.paths import ClusterPaths

# What takes 5 ms and more, most of it for the keeper alone.
HEAVY = {
    *("asyncio", "docker", "h11", "http", "httpx", "importlib.metadata", "itsdangerous", "jinja2", "multiprocessing"),
    *("packaging", "pathspec", "platformdirs", "prometheus_client", "psutil", "pydantic", "rich", "sqlite3", "ssl"),
    *("starlette", "uvicorn", "watchfiles", "yaml"),
    *("daybreak.backends.base", "daybreak.health", "daybreak.machine.survey", "daybreak.services.service"),
    *("daybreak.spec.load", "daybreak.spec.model"),
}
# Of our own and all others. It takes a reason to make one larger.
MOST = {
    "--version": 125,
    "status": 185,
    "logs": 215,
    "env": 180,
    "run": 180,
    "down": 195,
    "up": 200,
    "restart": 200,
    "plan": 180,
}
TELL = """
import atexit, os, sys
from daybreak.cli import main
os.execvpe = lambda *_: None
atexit.register(lambda: print("MODULES", *sys.modules))
main()
"""
ENV = {"values": {}, "files": {}, "python": sys.executable, "base": "/"}
ANSWERS: dict[str, Any] = {"env": ENV, "plan": {"stop": [], "start": [], "keep": []}}


class Keeper(socketserver.StreamRequestHandler):
    """Answers each request as a keeper of this daybreak would, and reads specs for commands."""

    def handle(self) -> None:
        line = self.rfile.readline()
        if not line:
            return  # it was only looked for
        asked = json.loads(line)
        reading = Reading.from_json(asked["reading"]) if asked["op"] == "read" else None
        status = {**_stopped_snapshot(ClusterPaths.of("shop")), "state": "ready"}
        known = read.answer(reading) if reading else ANSWERS.get(asked["op"])
        result = status if asked["op"] == "status" else {"status": status} if known is None else known
        for message in ({"heard": True}, {"result": result}):
            self.wfile.write(json.dumps(message).encode() + b"\n")


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That of a cluster whose keeper runs."""
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "daybreak.yaml").write_text("name: shop\nserve: {applications: [{import: 'app:main'}]}\n")
    paths = ClusterPaths.of("shop")
    paths.ensure()
    (paths.records / "head.json").write_text("{}")
    with socketserver.ThreadingUnixStreamServer(str(paths.socket), Keeper) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield tmp_path
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("command", MOST)
def test_a_command_imports_what_it_needs(folder: Path, command: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(daybreak.__file__).parents[1])}
    words = [command, *(["true"] if command == "run" else [])]
    program = [sys.executable, "-c", TELL, *words]
    done = subprocess.run(program, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    modules = set(done.stdout.rpartition("MODULES ")[2].split())
    assert sorted(modules & HEAVY) == []
    assert len(modules) <= MOST[command]
