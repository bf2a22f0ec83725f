"""What the GCS knows outlives it: the GCS is killed, then the whole head; nodes, replicas and actors go on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterable
from typing import Any

import pytest

from tests.helpers import until
from tests.integration.conftest import GATEWAY, RAY_RELEASE, Sandbox
from tests.load import Kind, steady_load

pytestmark = [
    pytest.mark.ray,
    pytest.mark.one_ray,
    pytest.mark.skipif(RAY_RELEASE < (2, 57), reason="RocksDB is a part of the GCS since Ray 2.57"),
    pytest.mark.skipif(not GATEWAY, reason="this machine has no HAProxy"),
]

# The replica and the actor are on the worker, which has room for both.
SPEC = """
ray: {state: rocksdb}
workers: {count: 1, resources: {aside: 2}}
page: false
prometheus: false
gateway: {hold: 120s}
serve: {applications: [{import: app:main}]}
"""
APP = """
import os

from fastapi import FastAPI
from ray import serve

api = FastAPI()


@serve.deployment(ray_actor_options={"resources": {"aside": 1}})
@serve.ingress(api)
class App:
    @api.get("/")
    def root(self):
        return {"pid": os.getpid()}


main = App.bind()
"""
COUNT = """
import json, os, ray

ray.init(log_to_driver=False, namespace="mine")


@ray.remote(num_cpus=0, resources={"aside": 1})
class Counter:
    def __init__(self):
        self.count = 0

    def up(self):
        self.count += 1
        return {"count": self.count, "pid": os.getpid()}


counter = Counter.options(name="counter", lifetime="detached", get_if_exists=True).remote()
print(json.dumps(ray.get(counter.up.remote(), timeout=60)))
"""
INDEX = Kind("index", "/", 1)
RATE = 20.0
RECOVERY_S = 180.0


def count(sandbox: Sandbox) -> dict[str, Any]:
    """What a named actor of a job that has ended long ago says."""
    found: dict[str, Any] = json.loads(sandbox.run("run", "--", "python", "-c", COUNT).stdout.splitlines()[-1])
    return found


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def gcs_of(sandbox: Sandbox) -> set[int]:
    return {process.pid for process in sandbox.instance_processes("head") if process.comm == "gcs_server"}


def test_nothing_is_lost_with_the_gcs_and_then_with_the_whole_head(sandbox: Sandbox) -> None:
    sandbox.write(SPEC, app_py=APP)
    sandbox.run("up")
    instances, pids, replica = sandbox.column("instance"), sandbox.column("pid"), sandbox.get("/")
    first = count(sandbox)
    with steady_load(sandbox.url, rate=RATE, kinds=(INDEX,), timeout_s=RECOVERY_S) as load:
        gcs = gcs_of(sandbox)
        kill(gcs)
        until(lambda: gcs_of(sandbox) - gcs, what="the GCS is started again")
        second = count(sandbox)
        # The head's own row says when it is well again; nothing but the GCS was started.
        until(lambda: sandbox.status()["state"] == "ready", what="all is ready")
        assert (sandbox.column("instance"), sandbox.column("pid")) == (instances, pids)

        kill(process.pid for process in sandbox.instance_processes("head"))
        until(lambda: sandbox.column("pid")["head"] not in (None, pids["head"]), what="there is a head")
        until(lambda: sandbox.status()["state"] == "ready", what="all is ready", timeout_s=RECOVERY_S)
        third = count(sandbox)
    assert not load.report().failed, load.report()
    assert sandbox.get("/") == replica
    assert [one["count"] for one in (first, second, third)] == [1, 2, 3]
    assert first["pid"] == second["pid"] == third["pid"]
    assert sandbox.column("instance") == instances
    after = sandbox.column("pid")
    assert {name for name in pids if after[name] != pids[name]} == {"head"}

    known = sandbox.paths.runtime / "gcs"
    assert known.is_dir()
    sandbox.run("down")
    assert not known.exists()
    assert sandbox.processes() == []
