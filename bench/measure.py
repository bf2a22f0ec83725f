"""Looking from outside, as a user would: when the application answers, when every node is there."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.commands import Commands, RunFailed

HOST = "127.0.0.1"
SERVE_PORT = 8000
DASHBOARD_PORT = 8265
RESPONSE_EVERY_S = 0.01
NODES_EVERY_S = 0.05
# One question; long enough for a slow first answer, short enough for one that got lost with an old generation.
ASK_TIMEOUT_S = 2.0
CHECK_EVERY_S = 0.1


class Watch:
    """Asks the same question again and again in a thread, until the first answer that is not None.

    `seen_s` is when that answer was complete (monotonic seconds).
    """

    def __init__(self, what: str, ask: Callable[[], int | None], every_s: float) -> None:
        self.what = what
        self.answer: int | None = None
        self.seen_s: float | None = None
        self._ask = ask
        self._every_s = every_s
        self._stop = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            answer = self._ask()
            if answer is not None:
                self.answer, self.seen_s = answer, time.monotonic()
                self._done.set()
                return
            self._stop.wait(self._every_s)

    def wait(self, commands: Commands) -> float:
        """When it was seen; raises RunFailed at the deadline, or when a command that is needed has ended."""
        while not self._done.wait(CHECK_EVERY_S):
            try:
                commands.check()
            except RunFailed as failed:
                raise RunFailed(f"{self.what}: {failed}") from None
        assert self.seen_s is not None
        return self.seen_s


def first_response(other_than_pid: int | None = None) -> Watch:
    """Until the application answers with 200; the answer is the replica's pid. A known old replica does not count."""

    def ask() -> int | None:
        pid = pid_of(_get(SERVE_PORT, "/"))
        return None if pid == other_than_pid else pid

    return Watch("no answer from the application", ask, RESPONSE_EVERY_S)


def all_nodes(wanted: int, daybreak_home: Path) -> Watch:
    """Until Ray's dashboard counts that many living nodes."""

    def ask() -> int | None:
        alive = alive_nodes(_get(DASHBOARD_PORT, "/nodes?view=summary", _token(daybreak_home)))
        return alive if alive >= wanted else None

    return Watch(f"fewer than {wanted} nodes alive", ask, NODES_EVERY_S)


def pid_of(answer: Any) -> int | None:
    """The pid in the application's answer; None for any other answer."""
    pid = answer.get("pid") if isinstance(answer, dict) else None
    return pid if isinstance(pid, int) else None


def alive_nodes(answer: Any) -> int:
    """How many of `data.summary[].raylet.state` are ALIVE; whatever has another shape counts as none."""
    summary = _field(_field(answer, "data"), "summary")
    nodes: Iterable[Any] = summary if isinstance(summary, list) else ()
    return sum(_field(_field(node, "raylet"), "state") == "ALIVE" for node in nodes)


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _token(daybreak_home: Path) -> str | None:
    try:
        return next((file.read_text().strip() for file in daybreak_home.glob("*/secrets/ray-token")), None)
    except OSError:
        return None


def _get(port: int, path: str, token: str | None = None) -> Any:
    """The JSON of a 200 response; None for everything else."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ASK_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        body = response.read()
        return json.loads(body) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
