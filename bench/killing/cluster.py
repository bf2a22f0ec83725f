"""The cluster that is changed and killed: its commands, its keeper, and whether it serves."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.commands import APP_FOLDER, BIN, environment
from bench.killing.leftovers import Noted

NAME = "killed"
SPEC = """\
name: {name}
ports: {{offset: {offset}}}
serve: {{applications: [{{import: "app:main"}}]}}
databases: {{postgres: {{}}, redis: {{}}}}
head: {{object_store: 80MiB}}
workers: {{count: 1, object_store: 80MiB}}
prometheus: false
grafana: false
"""
COMMAND_S = 240.0
# A keeper that has nothing to look after leaves after a moment.
LEAVES_S = 15.0
ANSWERS_S = 30.0


class Failed(Exception):
    """What was to be so is not; `what` in words."""


@dataclass(frozen=True)
class Ended:
    """A command's end: its exit code, negative for a signal's number, and what it has written."""

    code: int
    text: str
    took_s: float

    @property
    def last(self) -> str:
        lines = [line for line in self.text.splitlines() if line.strip()]
        return " | ".join(lines[-3:])


class Cluster:
    """Below one folder; `offset` is added to its ports."""

    def __init__(self, folder: Path, offset: int) -> None:
        self.folder, self.home, self.runtime = folder, folder / "home", folder / "r"
        self.offset = offset
        self._app = folder / "app"
        self._app.mkdir()
        (self._app / "app.py").write_text((APP_FOLDER / "app.py").read_text())
        (self._app / "daybreak.yaml").write_text(SPEC.format(name=NAME, offset=offset))
        self._env = {**environment(folder, self._app), "TMPDIR": str(folder / "t")}
        (folder / "t").mkdir()
        self.noted = Noted(self.home, self.runtime)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        log = (self.folder / "command.log").open("wb")
        program = [sys.executable, str(BIN / "daybreak"), *words]
        with log:
            return subprocess.Popen(
                program, cwd=self._app, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )

    def end_of(self, process: subprocess.Popen[bytes], began_s: float) -> Ended:
        """Raises Failed where it does not end."""
        try:
            code = process.wait(COMMAND_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed(f"a command did not end within {COMMAND_S:g} s: {self._text()[-2000:]}") from None
        return Ended(code, self._text(), time.monotonic() - began_s)

    def run(self, *words: str) -> Ended:
        """Raises Failed where it fails."""
        began_s = time.monotonic()
        ended = self.end_of(self.start(*words), began_s)
        if ended.code:
            raise Failed(f"`daybreak {' '.join(words)}` ended with {ended.code}: {ended.text[-2000:]}")
        return ended

    def _text(self) -> str:
        return (self.folder / "command.log").read_text(errors="replace")

    @property
    def keeper(self) -> int | None:
        """The process that holds the cluster's lock."""
        from daybreak.keeper.control.client import holder
        from daybreak.paths import ClusterPaths

        return holder(ClusterPaths(NAME, self.home / NAME, self.runtime / NAME))

    def kill_keeper(self) -> bool:
        """False where there is none."""
        pid = self.keeper
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def require_serving(self) -> None:
        """Raises Failed where the application does not answer, or the status does not say so."""
        deadline = time.monotonic() + ANSWERS_S
        while not self._answers():
            if time.monotonic() > deadline:
                raise Failed("the application does not answer")
            time.sleep(0.2)
        status = self.status()
        words = {row["name"]: row["state"] for row in status["services"]}
        if status["state"] != "ready":
            raise Failed(f"the cluster is {status['state']}: {words}")

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json").text)
        return found

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", 8000 + self.offset, timeout=2.0)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def require_nothing_left(self, but: str = "") -> None:
        """Raises Failed with all that is left after a stop; what ends with `but`, where given, may be."""
        deadline = time.monotonic() + LEAVES_S
        while found := self._left(but):
            if time.monotonic() > deadline:
                raise Failed("left after down: " + "; ".join(found[:12]))
            time.sleep(0.3)

    def _left(self, but: str) -> list[str]:
        return [words for words in self.noted.left() if not but or not words.endswith(but)]
