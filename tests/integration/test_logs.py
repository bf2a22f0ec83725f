"""Logs of a real cluster: whose they are, filters, and following through a restart."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import read_terminal, until
from tests.integration.conftest import APP, COMMAND, Sandbox

pytestmark = pytest.mark.ray

# Put into the application of the other tests: one word is logged, printed, and printed by a task.
IMPORTS = """
import logging

import ray

logger = logging.getLogger("ray.serve")
api = FastAPI()


@ray.remote(num_cpus=0.1)
def noisy(word):
    print("task says", word)
"""
ROUTES = """
    @api.get("/say/{word}")
    def say(self, word: str):
        logger.warning("logged %s", word)
        print("printed", word, flush=True)
        ray.get(noisy.remote(word))
        return word

main ="""
NOISY_APP = APP.replace("api = FastAPI()", IMPORTS).replace("\nmain =", ROUTES)


@pytest.fixture(scope="module")
def cluster(shared: Sandbox) -> Sandbox:
    """A cluster with one worker and an application that says what it is told to."""
    spec = "workers: {count: 1}\nserve: {applications: [{import: 'app:main'}], health: /health}\n"
    shared.write(spec, app_py=NOISY_APP)
    shared.run("up")
    return shared


class Following:
    """`daybreak logs --follow`, and what it has printed so far."""

    def __init__(self, sandbox: Sandbox, *args: str) -> None:
        self.lines: list[str] = []
        self._process = sandbox.popen("logs", "--follow", *args)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.lines.append(line)

    def has(self, *words: str) -> bool:
        return any(all(word in line for word in words) for line in list(self.lines))

    def count(self, word: str) -> int:
        return sum(word in line for line in list(self.lines))

    def end(self) -> int:
        """Ctrl-C; returns the exit code."""
        os.killpg(self._process.pid, 2)
        code = self._process.wait(timeout=60)
        self._reader.join(timeout=60)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream
            stream.close()
        return code


@pytest.fixture
def following(cluster: Sandbox) -> Iterator[Following]:
    made = Following(cluster, "--lines", "1")
    yield made
    assert made.end() == 130


def entries(sandbox: Sandbox, *args: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sandbox.run("logs", "--json", *args).stdout.splitlines()]


def test_what_the_application_says_is_there_once(cluster: Sandbox) -> None:
    cluster.get("/say/apple")

    def said() -> list[dict[str, Any]]:
        return entries(cluster, "--grep", "(logged|printed|says) apple")

    found = until(lambda: said() if len(said()) >= 3 else None, what="three lines")
    services = {entry["text"].rpartition("-- ")[2]: entry["service"] for entry in found}
    assert len(found) == 3
    assert services == {
        "logged apple": "serve",
        "printed apple": "serve",
        "task says apple": services["task says apple"],
    }
    assert services["task says apple"] in ("head", "worker-1")
    assert {entry["level"] for entry in found} == {"WARNING", None}


def test_levels_and_tracebacks(cluster: Sandbox) -> None:
    with pytest.raises(urllib.error.HTTPError):
        cluster.get("/broken")

    def errors() -> list[dict[str, Any]]:
        return [entry for entry in entries(cluster, "serve", "--level", "error") if "on purpose" in entry["text"]]

    (error,) = until(errors, what="the error is logged")
    assert "Request failed" in error["text"]
    assert error["text"].splitlines()[1].startswith("Traceback")


def test_lines_are_in_the_order_of_their_times(cluster: Sandbox) -> None:
    times = [entry["time"] for entry in entries(cluster, "--all")]
    assert times == sorted(times)


def test_services_and_rays_own_logs(cluster: Sandbox) -> None:
    assert {entry["service"] for entry in entries(cluster)} >= {"head", "worker-1", "serve"}
    assert {entry["service"] for entry in entries(cluster, "workers")} == {"worker-1"}
    assert {entry["service"] for entry in entries(cluster, "keeper")} <= {"keeper"}
    sources = {entry["source"] for entry in entries(cluster, "--all")}
    assert {"head/raylet.out", "head/gcs_server.out"} <= sources
    assert "head/raylet.out" not in {entry["source"] for entry in entries(cluster)}


def test_since(cluster: Sandbox) -> None:
    assert len(entries(cluster, "--since", "1h")) > len(entries(cluster, "--since", "1h", "-l", "1")) > 0
    cluster.get("/say/pear")
    until(lambda: entries(cluster, "--since", "1h", "--grep", "logged pear"), what="it is logged")
    # Others, such as answers to health checks, may be written while the command reads.
    assert entries(cluster, "--since", "1ms", "--grep", "logged pear") == []
    assert "neither a duration nor a time" in cluster.run("logs", "--since", "soon", code=2).stderr
    assert "--grep" in cluster.run("logs", "--grep", "(", code=2).stderr
    assert "no log of nobody" in cluster.run("logs", "nobody", code=2).stderr


def head_session(sandbox: Sandbox) -> Path:
    return next(sandbox.runtime.glob("*/head/session_latest")).resolve()


def test_following_goes_on_through_a_restart(cluster: Sandbox, following: Following) -> None:
    until(lambda: following.lines, what="it began")
    cluster.get("/say/banana")
    until(lambda: following.has("serve", "logged banana"), what="the replica's log")
    until(lambda: following.has("serve", "printed banana"), what="the replica's output")
    until(lambda: following.has("task says banana"), what="the task's output")
    session = head_session(cluster)
    cluster.run("restart", "--in-place")
    assert head_session(cluster) != session
    cluster.get("/say/cherry")
    until(lambda: following.has("serve", "logged cherry"), what="the new replica's log")
    until(lambda: following.has("serve", "printed cherry"), what="the new replica's output")
    until(lambda: following.has("task says cherry"), what="the new task's output")
    for word in ("logged banana", "printed banana", "task says banana", "logged cherry", "printed cherry"):
        assert following.count(word) == 1, word
    until(lambda: following.has("worker-1", "daybreak: starting worker-1"), what="the worker's restart")
    assert not following.has("one Ray agent failed"), "they were all asked to end"


def test_the_log_of_the_session_before_is_there_with_since(cluster: Sandbox) -> None:
    assert not [entry for entry in entries(cluster) if "printed banana" in entry["text"]]
    assert [entry for entry in entries(cluster, "--since", "1h") if "printed banana" in entry["text"]]


def on_a_terminal(sandbox: Sandbox, **env: str) -> str:
    """What `logs` prints there."""
    ours, theirs = os.openpty()
    environment = {key: value for key, value in sandbox.environment().items() if key != "NO_COLOR"}
    with subprocess.Popen(
        [*COMMAND, "logs", "-l", "3"], cwd=sandbox.folder, env=environment | {"TERM": "xterm"} | env, stdout=theirs
    ):
        os.close(theirs)
        text = read_terminal(ours)
    return text.decode()


def test_colours_only_where_they_are_wanted(cluster: Sandbox) -> None:
    assert "\033[" in on_a_terminal(cluster)
    assert "\033" not in on_a_terminal(cluster, NO_COLOR="1")
    assert "\033" not in cluster.run("logs", "--all").stdout
