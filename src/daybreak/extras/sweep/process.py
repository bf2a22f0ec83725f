"""The load generator seen from the command: started, told to measure, ended."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from daybreak.errors import DaybreakError
from daybreak.extras.sweep.result import Answers

REQUEST_TIMEOUT_S = 30.0
# Beyond the time that it measures for, the generator may take this long to answer.
ANSWER_S = 30.0
END_S = 5.0


@dataclass(frozen=True)
class Request:
    """What is sent again and again."""

    url: str
    method: str
    body: bytes | None
    connections: int
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def all_headers(self) -> dict[str, str]:
        """What is sent besides what HTTP itself needs; a given type of the body goes before ours."""
        given = {name.lower() for name, _ in self.headers}
        kind = self.content_type if "content-type" not in given else None
        return {**({"Content-Type": kind} if kind else {}), **dict(self.headers)}

    @property
    def content_type(self) -> str | None:
        """JSON where the body is JSON."""
        if self.body is None:
            return None
        try:
            json.loads(self.body)
        except ValueError:
            return "application/octet-stream"
        return "application/json"


def check_installed() -> None:
    """Raises DaybreakError where the generator's library is missing."""
    if find_spec("aiohttp") is None:
        raise DaybreakError(
            f"a sweep needs aiohttp, which is not installed for {sys.executable}",
            hint=f"{sys.executable} -m pip install 'aiohttp>=3.9'",
        )


class LoadProcess:
    """Requests flow from entering to leaving the `with` block."""

    def __init__(self, request: Request) -> None:
        source = str(Path(__file__).resolve().parents[2])
        rest = os.environ.get("PYTHONPATH")
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "daybreak.extras.sweep.generator"],
            env=os.environ | {"PYTHONPATH": f"{source}:{rest}" if rest else source},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        body = base64.b64encode(request.body).decode() if request.body is not None else None
        self._send(
            {
                "url": request.url,
                "method": request.method,
                "body": body,
                "headers": request.all_headers,
                "connections": request.connections,
                "timeout_s": REQUEST_TIMEOUT_S,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def measure(self, duration_s: float) -> Answers:
        """Count for so long. Raises DaybreakError where the generator has ended, or does not answer."""
        self._send({"measure": duration_s})
        raw = self._answer(time.monotonic() + duration_s + ANSWER_S)
        return Answers(**raw)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        if self._child.stdin:
            try:
                self._child.stdin.close()
            except OSError:
                pass
        try:
            self._child.wait(END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for stream in (self._child.stdout, self._child.stderr):
            if stream:
                stream.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._child.stdin
        try:
            self._child.stdin.write(json.dumps(message).encode() + b"\n")
            self._child.stdin.flush()
        except OSError as error:
            raise self._failure() from error

    def _answer(self, deadline: float) -> dict[str, Any]:
        assert self._child.stdout
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self._child.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                break
            line = self._child.stdout.readline()
            if not line:
                raise self._failure()
            found: dict[str, Any] = json.loads(line)
            return found
        raise DaybreakError("the load generator does not answer", hint="measure with fewer connections")

    def _failure(self) -> DaybreakError:
        assert self._child.stderr
        last = self._child.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
        return DaybreakError(f"the load generator ended: {last[0] if last else 'it said nothing'}")
