"""Restarts that replace the applications alone: nothing is lost, or given up before something better answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest
import websockets

from tests.helpers import until
from tests.integration.conftest import GATEWAY, RAY_RELEASE, Sandbox

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(RAY_RELEASE < (2, 60), reason="Serve of this Ray cannot start before it stops"),
]

APP = """
import asyncio
import os

from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from ray import serve

VERSION = 1
api = FastAPI()


@serve.deployment(num_replicas=2, max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.1})
@serve.ingress(api)
class App:
    @api.get("/")
    async def root(self):
        return {"version": VERSION}

    @api.get("/priority")
    async def priority(self):
        return [os.getpriority(os.PRIO_PROCESS, 0), os.environ.get("RAY_worker_niceness")]

    @api.get("/slow")
    async def slow(self):
        await asyncio.sleep(2)
        return {"version": VERSION}

    @api.get("/stream")
    async def stream(self):
        async def lines():
            for number in range(8):
                yield f"{number}\\n"
                await asyncio.sleep(0.5)
            yield "end\\n"

        return StreamingResponse(lines(), media_type="text/plain")

    @api.websocket("/chat")
    async def chat(self, socket: WebSocket):
        await socket.accept()
        for _ in range(8):
            await socket.send_text(await socket.receive_text())

    @api.websocket("/stay")
    async def stay(self, socket: WebSocket):
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(text)


main = App.bind()
"""
NEVER = "class App:\n    def __init__(self):\n        raise RuntimeError('not today')\n"
SPEC = """
head: {cpus: 4}
workers: {count: 1}
serve: {applications: [{import: "app:main"}]}
services:
  beside: {command: [sleep, "100000"], needs: [serve]}
"""
CONFIG = """
applications:
  - {name: default, route_prefix: /, import_path: "app:main"}
"""


# A client's pause between two requests.
PACE_S = 0.05


class Load:
    """Requests from a few clients, each with a connection of its own, and what became of them."""

    def __init__(self, url: str) -> None:
        self.answers: Counter[str] = Counter()
        self._url = url
        self._over = threading.Event()
        asks = [("/", "version")] * 4 + list(ENDS.items())
        self._threads = [threading.Thread(target=self._ask, args=one, daemon=True) for one in asks]
        self._threads.append(threading.Thread(target=self._chat, daemon=True))

    def _ask(self, path: str, end: str) -> None:
        while not self._over.wait(PACE_S):
            with self._counted(path), urllib.request.urlopen(self._url + path, timeout=60) as answer:
                assert end in answer.read().decode()

    def _chat(self) -> None:
        while not self._over.wait(PACE_S):
            with self._counted("/chat"):
                asyncio.run(self._talk())

    async def _talk(self) -> None:
        async with websockets.connect(self._url.replace("http", "ws") + "/chat", proxy=None) as chat:
            for number in range(8):
                await chat.send(str(number))
                assert await chat.recv() == str(number)
                await asyncio.sleep(0.25)

    @contextlib.contextmanager
    def _counted(self, path: str) -> Iterator[None]:
        try:
            yield
            self.answers[path] += 1
        except Exception as error:
            self.answers[f"{path}: {type(error).__name__}: {error}"] += 1

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        until(lambda: {"/", *ENDS, "/chat"} <= self.answers.keys(), what="an answer of each kind")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def staying(sandbox: Sandbox, count: int) -> Iterator[list[int | None]]:
    """So many WebSockets that stay until they are closed. At its end, with which code each one was; None where it was
    cut off."""
    codes: list[int | None] = []
    open_ones: set[int] = set()

    async def stay(number: int) -> None:
        async with websockets.connect(sandbox.url.replace("http", "ws") + "/stay", proxy=None) as socket:
            try:
                while True:
                    await socket.send("still there?")
                    await socket.recv()
                    open_ones.add(number)
                    await asyncio.sleep(PACE_S)
            except websockets.ConnectionClosed as closed:
                codes.append(int(closed.rcvd.code) if closed.rcvd else None)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(stay(n)), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    until(lambda: len(open_ones) == count, what="all WebSockets to be open")
    yield codes
    until(lambda: len(codes) == count, what="all WebSockets to be closed")


# What each path's answer holds.
ENDS = {"/slow": "version", "/stream": "end"}


def write_app(sandbox: Sandbox, version: int, text: str = APP) -> None:
    (sandbox.folder / "app.py").write_text(text.replace("VERSION = 1", f"VERSION = {version}"))


def versions(sandbox: Sandbox, count: int = 40) -> set[int]:
    """Which versions answer, asked so often that both replicas do."""
    return {sandbox.get("/")["version"] for _ in range(count)}


def nodes(sandbox: Sandbox) -> dict[str, tuple[int, str]]:
    rows = sandbox.services()
    return {name: (rows[name]["pid"], rows[name]["instance"]) for name in ("head", "worker-1")}


@pytest.fixture(scope="module")
def cluster(shared: Sandbox) -> Sandbox:
    shared.write(SPEC)
    write_app(shared, 1)
    shared.run("up")
    return shared


def test_the_way_is_shown_before(cluster: Sandbox) -> None:
    steps = json.loads(cluster.run("plan", "--restart", "--json").stdout)
    assert steps["way"]["name"] == "redeploy"
    assert steps["way"]["memory_bytes"] > 0
    assert sorted(step["service"] for step in steps["start"]) == ["beside", "serve"]
    assert {"head", "worker-1"} <= set(steps["keep"])


def test_new_code_answers_and_no_request_is_lost(cluster: Sandbox) -> None:
    before, beside = nodes(cluster), cluster.column("instance")["beside"]
    priority = cluster.get("/priority")
    write_app(cluster, 2)
    with staying(cluster, 4) as codes, Load(cluster.url) as load:
        done = cluster.run("restart")
        assert versions(cluster) == {2}
    assert codes == [1012] * 4
    assert cluster.get("/priority") == priority, "lowered sooner, not further"
    assert set(load.answers) == {"/", *ENDS, "/chat"}, load.answers
    assert "redeploy: only the applications" in done.stderr
    assert nodes(cluster) == before
    assert cluster.column("instance")["beside"] != beside
    newest = json.loads(cluster.run("perf", "history", "--json").stdout)["runs"][0]
    assert (newest["kind"], newest["way"], newest["outcome"]) == ("restart", "redeploy", "ok")


def test_code_that_never_becomes_healthy_leaves_the_version_before_serving(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    write_app(cluster, 3, APP.replace("class App:\n", NEVER))
    error = cluster.run("restart", code=1).stderr
    assert "not today" in error
    assert "the version before still serves" in error
    assert versions(cluster) == {2}
    # Serve was told of the new code, and is told of the one before again.
    assert {name for name, instance in cluster.column("instance").items() if instance != before[name]} == {"serve"}
    # Nothing is done about it until somebody mends it.
    assert cluster.services()["serve"]["state"] in ("ready", "completed")
    write_app(cluster, 4)
    cluster.run("restart")
    assert versions(cluster) == {4}
    until(lambda: cluster.status()["state"] == "ready", what="Serve calls all of it well")


def test_up_notices_changed_code_and_does_what_a_restart_would(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    cluster.run("up")
    assert cluster.column("instance") == before
    (cluster.folder / "beside.py").write_text("print('no part of the application')")
    assert not json.loads(cluster.run("plan", "--json").stdout)["start"]
    write_app(cluster, 5)
    assert "app.py has changed" in cluster.run("up").stderr
    assert versions(cluster) == {5}
    assert cluster.column("instance")["head"] == before["head"]


def test_code_that_cannot_be_imported_touches_nothing(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    (cluster.folder / "app.py").write_text("import nothing_of_this_name\n")
    assert "nothing_of_this_name" in cluster.run("restart", "--redeploy", code=1).stderr
    assert versions(cluster, 1) == {5}
    assert cluster.column("instance") == before
    write_app(cluster, 5)


def test_what_cannot_be_is_refused_and_nothing_is_changed(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    cluster.write(SPEC.replace("cpus: 4", "cpus: 3"))
    error = cluster.run("restart", "--redeploy", code=2).stderr
    assert "head: its configuration changed" in error
    assert "goes one way" in cluster.run("restart", "--redeploy", "--in-place", code=2).stderr
    assert json.loads(cluster.run("plan", "--restart", "--json").stdout)["way"]["name"] == (
        "replace" if GATEWAY else "in-place"
    )
    assert cluster.column("instance") == before
    cluster.write(SPEC)
    cluster.env["LEVEL"] = "3"
    assert "LEVEL" in json.loads(cluster.run("plan", "--restart", "--json").stdout)["way"]["why"]
    del cluster.env["LEVEL"]


def test_the_applications_of_a_serve_config_are_deployed_anew(cluster: Sandbox) -> None:
    (cluster.folder / "serve.yaml").write_text(CONFIG)
    cluster.write(SPEC.replace('applications: [{import: "app:main"}]', "config: serve.yaml"))
    cluster.run("up")
    before = nodes(cluster)
    write_app(cluster, 6)
    with Load(cluster.url) as load:
        cluster.run("restart")
        assert versions(cluster) == {6}
    assert set(load.answers) == {"/", *ENDS, "/chat"}, load.answers
    assert nodes(cluster) == before


def test_serves_own_proxy_loses_nothing_either(sandbox: Sandbox) -> None:
    sandbox.write(
        SPEC.replace("serve: {", "serve: {haproxy: false, ").replace("services:", "gateway: false\nservices:")
    )
    write_app(sandbox, 1)
    sandbox.run("up")
    write_app(sandbox, 2)
    with staying(sandbox, 4) as codes, Load(sandbox.url) as load:
        sandbox.run("restart", "--redeploy")
        assert versions(sandbox) == {2}
    assert codes == [1012] * 4
    assert set(load.answers) == {"/", *ENDS, "/chat"}, load.answers
