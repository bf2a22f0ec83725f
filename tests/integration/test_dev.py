"""`daybreak dev` on a real cluster: a save is answered, a mistake takes nothing away, and the end leaves nothing."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.process.procfs import Process, read
from tests.helpers import DEADLINE_S, until
from tests.integration.conftest import RAY_RELEASE, Sandbox

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(RAY_RELEASE < (2, 60), reason="Serve of this Ray cannot start before it stops"),
]

APP = """
from ray import serve

import counter
import greeting


@serve.deployment
class App:
    def __init__(self, counter):
        self.counter = counter

    async def __call__(self, request):
        return {"words": greeting.WORDS, "counter": await self.counter.remote()}


main = App.bind(counter.Counter.bind())
"""
COUNTER = """
import os

from ray import serve


@serve.deployment(ray_actor_options={"num_cpus": 0.5})
class Counter:
    def __call__(self):
        return os.getpid()
"""


JOB = """
import ray

import greeting

ray.init()
print(ray.get(ray.remote(lambda: f"job {greeting.WORDS}").remote()))
"""
# It imports another file when it is asked.
ALONE = """
import os

from ray import serve


@serve.deployment
class App:
    def __call__(self, request):
        from greeting import WORDS

        return {"words": WORDS, "pid": os.getpid()}


main = App.bind()
"""
# What the program beside it tells, at its own pace.
BESIDE = ("output", "ended")


class Dev:
    """The command as it runs, and what it has told."""

    def __init__(self, sandbox: Sandbox, *words: str) -> None:
        self._process = sandbox.popen("dev", "0", "--json", *words)
        self.told: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.told += map(json.loads, self._process.stdout)

    def has_told(self, event: str, count: int = 1) -> bool:
        return len([one for one in list(self.told) if one["event"] == event]) >= count

    def lines(self) -> list[str]:
        """What the program beside it has written."""
        return [one["line"] for one in list(self.told) if one["event"] == "output"]

    def events(self) -> list[str]:
        """What has happened to the cluster."""
        return [one["event"] for one in list(self.told) if one["event"] not in BESIDE]

    def url(self) -> str:
        """The address whose pages show what is wrong."""
        return str(next(one["url"] for one in self.told if one["event"] == "opened"))

    def end(self) -> int:
        """End it as a supervisor would; returns its exit code."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.terminate()
        try:
            return self._process.wait(DEADLINE_S)
        finally:
            self._process.kill()
            self._thread.join()
            self._process.stdout.close()
            with self._process.stderr as stderr:
                self.errors = stderr.read()


def test_a_save_is_answered_a_mistake_takes_nothing_away_and_the_end_leaves_nothing(sandbox: Sandbox) -> None:
    spec = "serve: {applications: [{import: 'app:main'}]}"
    sandbox.write(spec, app_py=APP, counter_py=COUNTER, greeting_py="WORDS = 'one'\n", job_py=JOB)
    dev = Dev(sandbox, "--", "python", "job.py")

    def save(text: str) -> None:
        (sandbox.folder / "greeting.py").write_text(text)

    try:
        until(lambda: dev.has_told("started"), what="it is up")
        first = sandbox.get()
        assert first["words"] == "one"
        head = sandbox.column("pid")["head"]
        save("WORDS = 'two'\n")
        until(lambda: dev.has_told("reloaded"), what="the save is answered")
        # The same through the address of `dev`, which leaves alone what is no page.
        until(lambda: dev.has_told("opened"), what="its address is told")
        assert sandbox.get(base=dev.url(), headers={"accept": "text/html"})["words"] == "two"
        # What the file is no part of goes on with what it has.
        assert sandbox.get() == {"words": "two", "counter": first["counter"]}
        until(lambda: "job two" in dev.lines(), what="the program runs against the cluster, again")
        # Without a terminal nobody could let it go on.
        save("WORDS = 'two'\n\n\nclass Words:\n    def __str__(self):\n        breakpoint()\n        return 'stop'\n")
        until(lambda: dev.has_told("reloaded", 2), what="the breakpoint is deployed")
        (sandbox.folder / "app.py").write_text(APP.replace("greeting.WORDS,", "str(greeting.Words()),"))
        until(lambda: dev.has_told("reloaded", 3), what="the breakpoint is reached by requests")
        assert sandbox.get()["words"] == "stop"
        until(lambda: dev.has_told("breakpoint"), what="it is told that it went on")
        save("WORDS = 'two'\n")
        (sandbox.folder / "app.py").write_text(APP)
        until(lambda: sandbox.get()["words"] == "two", what="the code before it answers")
        save("WORDS = (\n")
        until(lambda: dev.has_told("mistakes"), what="the mistake is shown")
        save("WORDS = nothing_of_this_name\n")
        until(lambda: dev.has_told("failed"), what="the failure is shown")
        assert sandbox.get()["words"] == "two"
        with urllib.request.urlopen(f"{dev.url()}/.daybreak/dev/events", timeout=10) as events:
            wrong = json.loads(events.readline().removeprefix(b"data: "))["wrong"]
        assert "nothing_of_this_name" in wrong["title"]
        assert any("greeting.py" in line for line in wrong["lines"])
        save("WORDS = 'three'\n")
        until(lambda: dev.events()[-1] == "reloaded", what="the next save is answered")
        assert sandbox.get()["words"] == "three"
        assert sandbox.column("pid")["head"] == head
    finally:
        code = dev.end()
    assert code == 0, dev.errors
    assert sandbox.status()["state"] == "stopped"
    assert dev.events()[:3] == ["started", "opened", "reloaded"]
    assert dev.events()[-4:] == ["mistakes", "failed", "reloaded", "stopped"]


def test_without_a_spec_file_nodes_stay_as_they_are_and_a_worker_waits_for_the_next_save(sandbox: Sandbox) -> None:
    (sandbox.folder / "app.py").write_text(ALONE)
    (sandbox.folder / "greeting.py").write_text("WORDS = 'one'\n")
    options = ("--app", "app:main", "--name", sandbox.name, "--port-offset", str(sandbox.offset))

    def seconds(process: Process) -> float:
        """Since it began."""
        return float(Path("/proc/uptime").read_text().split()[0]) - process.started_ticks / os.sysconf("SC_CLK_TCK")

    def waits() -> bool:
        """For long enough to be known to its raylet."""
        return any(one.comm.startswith("ray::IDLE") and seconds(one) > 2 for one in sandbox.processes())

    dev = Dev(sandbox, *options)
    try:
        until(lambda: dev.has_told("started"), what="it is up")
        head = sandbox.column("pid")["head"]
        assert sandbox.get()["words"] == "one"
        for count, words in enumerate(("two", "three"), 1):
            until(waits, what="a worker waits")
            began = time.monotonic()
            (sandbox.folder / "greeting.py").write_text(f"WORDS = '{words}'\n")
            until(partial(dev.has_told, "reloaded", count), what="the save is answered")
            found = sandbox.get()
            assert found["words"] == words
            replica = read(found["pid"])
            assert replica
            assert seconds(replica) > time.monotonic() - began, "it began before the save"
        assert sandbox.column("pid")["head"] == head
        # What does not start is taken back, and what serves goes on with what it has.
        wrong = ALONE.replace(
            "def __call__", "def __init__(self):\n        raise OSError('no door')\n\n    def __call__"
        )
        (sandbox.folder / "app.py").write_text(wrong)
        until(partial(dev.has_told, "failed"), what="the failure is shown")
        assert sandbox.get()["pid"] == found["pid"]
        (sandbox.folder / "app.py").write_text(ALONE)
        until(partial(dev.has_told, "nothing"), what="nothing had to be replaced")
        assert sandbox.get()["pid"] == found["pid"]
        # A keeper reads it anew, and `up` without a file, which is not for `dev`, would not.
        stored = json.loads(sandbox.paths.wanted.read_text())
        assert stored["given"]["head"]["cpus"] is None
        assert stored["spec"]["head"]["cpus"] is not None
    finally:
        code = dev.end()
    assert code == 0, dev.errors
