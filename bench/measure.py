"""Looking from outside, as a user would: when the application answers, when every node and replica is there."""

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
PAGE_PORT = 8080
RESPONSE_EVERY_S = 0.01
NODES_EVERY_S = 0.05
# One question; long enough for a slow first answer, short enough for one that got lost with an old generation.
ASK_TIMEOUT_S = 2.0
CHECK_EVERY_S = 0.1
# Serve's REST API answers a change when the controller has accepted it.
CHANGE_TIMEOUT_S = 30.0
APPLICATIONS = "/api/serve/applications/"
# Read from Ray's GCS for every question. The dashboard's own `/nodes?view=summary` is up to two seconds old.
NODES = "/api/v0/nodes?limit=1000"

Meter = Callable[[], float]


class Watch:
    """Asks the same question again and again in a thread, until the first answer that is not None.

    `seen_s` is when that answer was complete (monotonic seconds), `metered` what the meter showed then.
    """

    def __init__(self, what: str, ask: Callable[[], int | None], every_s: float, meter: Meter | None = None) -> None:
        self.what = what
        self.answer: int | None = None
        self.seen_s: float | None = None
        self.metered: float | None = None
        self._ask = ask
        self._every_s = every_s
        self._meter = meter
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
                self.metered = self._meter() if self._meter else None
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


def first_response(other_than_pid: int | None = None, meter: Meter | None = None) -> Watch:
    """Until the application answers with 200; the answer is the replica's pid. A known old replica does not count."""

    def ask() -> int | None:
        pid = pid_of(_json(SERVE_PORT, "GET", "/"))
        return None if pid == other_than_pid else pid

    return Watch("no answer from the application", ask, RESPONSE_EVERY_S, meter)


def route_answers(path: str) -> Watch:
    """Until a route of the application answers with 200."""

    def ask() -> int | None:
        status, _ = _ask(SERVE_PORT, "GET", path)
        return status if status == http.client.OK else None

    return Watch(f"no answer at {path}", ask, RESPONSE_EVERY_S)


def all_nodes(wanted: int, daybreak_home: Path, meter: Meter | None = None, *, page: bool = False) -> Watch:
    """Until Ray's dashboard counts at least that many living nodes and, where there is one, daybreak's page answers."""
    return _nodes(wanted, daybreak_home, lambda alive: alive >= wanted and (not page or _page_answers()), meter)


def no_more_nodes(wanted: int, daybreak_home: Path) -> Watch:
    """Until Ray's dashboard counts exactly that many living nodes."""
    return _nodes(wanted, daybreak_home, lambda alive: alive == wanted)


def each_node(wanted: int, daybreak_home: Path, seen: dict[int, float]) -> Watch:
    """As `all_nodes`; `seen` gets the monotonic seconds at which each number of living nodes was first reached."""

    def enough(alive: int) -> bool:
        now = time.monotonic()
        for number in range(1, alive + 1):
            seen.setdefault(number, now)
        return alive >= wanted

    return _nodes(wanted, daybreak_home, enough)


def _nodes(wanted: int, daybreak_home: Path, enough: Callable[[int], bool], meter: Meter | None = None) -> Watch:
    def ask() -> int | None:
        alive = alive_nodes(_json(DASHBOARD_PORT, "GET", NODES, _token(daybreak_home)))
        return alive if enough(alive) else None

    return Watch(f"not {wanted} nodes alive", ask, NODES_EVERY_S, meter)


def _page_answers() -> bool:
    status, _ = _ask(PAGE_PORT, "GET", "/")
    return status == http.client.OK


def replicas(wanted: int, daybreak_home: Path) -> Watch:
    """Until Serve's REST API shows that many replicas as RUNNING."""

    def ask() -> int | None:
        running = running_replicas(_json(DASHBOARD_PORT, "GET", APPLICATIONS, _token(daybreak_home)))
        return running if running >= wanted else None

    return Watch(f"fewer than {wanted} replicas RUNNING", ask, NODES_EVERY_S)


def deploy(config: dict[str, Any], daybreak_home: Path) -> None:
    """Give Serve a new config through its REST API; raises RunFailed where it refuses."""
    token = _token(daybreak_home)
    status, text = _ask(DASHBOARD_PORT, "PUT", APPLICATIONS, token, json.dumps(config), CHANGE_TIMEOUT_S)
    if status != http.client.OK:
        raise RunFailed(f"Serve did not take the config ({status}): {text[:500]}")


def pid_of(answer: Any) -> int | None:
    """What tells one replica from the next in the application's answer: when it was born, else its pid.

    None for any other answer.
    """
    pid = answer.get("born", answer.get("pid")) if isinstance(answer, dict) else None
    return pid if isinstance(pid, int) else None


def alive_nodes(answer: Any) -> int:
    """How many of `data.result.result[].state` are ALIVE; whatever has another shape counts as none."""
    result = _field(_field(_field(answer, "data"), "result"), "result")
    nodes: Iterable[Any] = result if isinstance(result, list) else ()
    return sum(_field(node, "state") == "ALIVE" for node in nodes)


def running_replicas(answer: Any) -> int:
    """How many of `applications.*.deployments.*.replicas[].state` are RUNNING; another shape counts as none."""
    deployments = [each for app in _each(answer, "applications") for each in _each(app, "deployments")]
    found = [_field(deployment, "replicas") for deployment in deployments]
    rows = [row for rows in found if isinstance(rows, list) for row in rows]
    return sum(_field(row, "state") == "RUNNING" for row in rows)


def _each(value: Any, name: str) -> Iterable[Any]:
    found = _field(value, name)
    return found.values() if isinstance(found, dict) else ()


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _token(daybreak_home: Path) -> str | None:
    try:
        return next((file.read_text().strip() for file in daybreak_home.glob("*/secrets/ray-token")), None)
    except OSError:
        return None


def _json(port: int, method: str, path: str, token: str | None = None) -> Any:
    """The JSON of a 200 response; None for everything else."""
    status, text = _ask(port, method, path, token)
    try:
        return json.loads(text) if status == http.client.OK else None
    except ValueError:
        return None


def _ask(
    port: int,
    method: str,
    path: str,
    token: str | None = None,
    body: str | None = None,
    timeout_s: float = ASK_TIMEOUT_S,
) -> tuple[int | None, str]:
    """Status and text of one response; (None, why) where there was none."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return None, str(error)
    finally:
        connection.close()
