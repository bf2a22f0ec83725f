"""Workers that go, or are replaced, while their replicas answer. One cluster, tests in order."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import partial

import pytest

from daybreak.programs.node.drain import moves_replicas
from tests.helpers import until
from tests.integration.conftest import Sandbox
from tests.load import LONG, SHORT, STREAM, app, steady_load

pytestmark = [pytest.mark.ray, pytest.mark.skipif(not moves_replicas(), reason="this Ray's Serve moves no replicas")]

REPLICAS, WORKERS = 4, 3
# The head has no slot, and one worker has room for all replicas.
SPEC = """
head: {cpus: 1}
workers: {count: 3, cpus: 4, resources: {slot: 4}}
page: false
gateway: {hold: 180s, drain: 120s}
serve: {haproxy: %s, applications: [{import: app:main}]}
"""
ON_WORKERS = 'num_replicas=2, max_ongoing_requests=20_000, ray_actor_options={"num_cpus": 0.1}'
LASTS_S = 200.0
TRIES = 5


def code() -> str:
    text = app("1")
    assert ON_WORKERS in text
    options = 'ray_actor_options={"num_cpus": 0.1, "resources": {"slot": 1}}'
    return text.replace(ON_WORKERS, f"num_replicas={REPLICAS}, max_ongoing_requests=20_000, {options}")


def running(sandbox: Sandbox) -> Mapping[str, str]:
    """The node of each replica that runs."""
    return {
        replica["id"]: replica["node"]
        for application in sandbox.status()["serving"]["applications"]
        for deployment in application["deployments"]
        for replica in deployment["replicas"]
        if replica["state"] == "RUNNING"
    }


def replaced(sandbox: Sandbox, before: AbstractSet[str]) -> Mapping[str, str]:
    """The new replicas, once all of them run and the old ones have gone."""
    found = running(sandbox)
    return {} if before & found.keys() or len(found) != REPLICAS else found


def spread(sandbox: Sandbox) -> None:
    """Replicas on two workers at least: one that is to go has some. Serve spreads new ones over the nodes it finds."""
    for _ in range(TRIES):
        before = running(sandbox).keys()
        sandbox.run("restart", "--redeploy")
        found = until(partial(replaced, sandbox, before), what="all replicas are new")
        if len(set(found.values())) > 1:
            return
    raise AssertionError("all replicas are on one node")


@pytest.mark.parametrize("haproxy", ["null", "false"])
def test_workers_that_go_lose_no_request(shared: Sandbox, haproxy: str) -> None:
    shared.write(SPEC % haproxy, app_py=code())
    shared.run("up", str(WORKERS))
    spread(shared)
    before = shared.column("instance")
    with steady_load(shared.url, rate=40, kinds=(SHORT, LONG, STREAM), timeout_s=LASTS_S) as load:
        until(lambda: load.report().versions, what="the first answers")
        told = shared.run("scale", "1").stderr
        assert "is drained" in told
        assert "cut off" not in told
    assert load.report().failed == 0, str(load.report())
    after = shared.column("instance")
    assert {name for name in after if name.startswith("worker")} == {"worker-1"}
    assert after["worker-1"] == before["worker-1"]
    until(lambda: [*Counter(running(shared).values()).values()] == [REPLICAS], what="all are on one node")


def test_an_interrupted_scale_leaves_a_cluster_that_the_next_command_completes(shared: Sandbox) -> None:
    shared.run("scale", str(WORKERS))
    spread(shared)
    with steady_load(shared.url, rate=40, kinds=(SHORT, LONG), timeout_s=LASTS_S) as load:
        until(lambda: load.report().versions, what="the first answers")
        scaling = shared.popen("scale", "1")
        assert scaling.stderr
        for line in scaling.stderr:
            if "is drained" in line:
                break
        scaling.send_signal(signal.SIGINT)
        _, told = scaling.communicate()
        assert scaling.returncode == 130, told
        assert "does not take back" in told
        shared.run("scale", str(WORKERS))
        until(lambda: set(shared.column("state").values()) == {"ready"}, what="all are ready again")
    assert load.report().failed == 0, str(load.report())


def test_a_worker_that_is_restarted_loses_no_request(shared: Sandbox) -> None:
    """Status tells Ray's names of the nodes, so workers are restarted until it was one that has replicas."""
    before = shared.column("instance")
    with steady_load(shared.url, rate=40, kinds=(SHORT, LONG), timeout_s=LASTS_S) as load:
        until(lambda: load.report().versions, what="the first answers")
        for number in range(1, WORKERS + 1):
            told = shared.run("restart", f"worker-{number}").stderr
            assert "cut off" not in told
            if "is drained" in told:
                break
        else:
            raise AssertionError("no worker was drained")
    assert load.report().failed == 0, str(load.report())
    after = shared.column("instance")
    assert after[f"worker-{number}"] != before[f"worker-{number}"]
    assert after["head"] == before["head"]
