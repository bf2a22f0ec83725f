"""Another machine joins by an invitation, answers, and leaves."""

from __future__ import annotations

import json
import ssl

import pytest

from tests.helpers import until
from tests.hosts.machines import Host
from tests.integration.conftest import RAY_RELEASE

pytestmark = pytest.mark.skipif(RAY_RELEASE < (2, 52), reason="this Ray asks for no token")
APP = """
import ray
from ray import serve


@serve.deployment(ray_actor_options={"num_cpus": 0, "resources": %s})
class Where:
    def __call__(self, request):
        return "%s at " + ray.util.get_node_ip_address()


main = Where.bind()
"""
SPEC = "address: %s\nray: {tls: true}\nworkers: {count: 0}\npage: false\nserve: {applications: [{import: app:main}]}\n"


def hosts(one: Host) -> dict[str, str]:
    return {row["name"]: row["state"] for row in json.loads(one.cluster.run("hosts", "--json").stdout)["hosts"]}


def test_a_machine_that_joins_answers_with_new_code_and_leaves(two: list[Host]) -> None:
    one, other = two
    one.cluster.write(SPEC % one.address, app_py=APP % ({}, "first"))
    one.cluster.run("up")
    assert one.get(one.cluster.url) == f"first at {one.address}"
    gcs = json.loads(one.cluster.run("env", "--json").stdout)["values"]["RAY_ADDRESS"]
    with one.inside():
        assert ssl.get_server_certificate((one.address, int(gcs.rpartition(":")[2]))).startswith("-----BEGIN CERT")

    # A host's cluster is called as the first machine's: it is taken down by that name, too.
    other.cluster.name = one.cluster.name
    line = one.cluster.run("invite").stdout.split()
    assert line[:2] == ["daybreak", "join"]
    other.cluster.run(*line[1:], "--name", "second")
    # It tells how its nodes are every two seconds.
    until(lambda: hosts(one) == {"second": "ready"}, what="the other machine's node is ready")
    other.cluster.run(*line[1:], "--name", "third", code=2)
    assert hosts(one).keys() == {"second"}

    # Ray gives each node a resource of its address: only the other machine has room for this replica.
    one.cluster.write(SPEC % one.address, app_py=APP % ({f"node:{other.address}": 0.01}, "next"))
    one.cluster.run("restart", "--redeploy")
    assert one.get(one.cluster.url) == f"next at {other.address}"
    _tells_of_it(one)
    # This one may be on either machine, and moves when its own leaves.
    one.cluster.run("rollback")
    assert one.get(one.cluster.url).startswith("first at ")

    other.cluster.run("leave")
    assert hosts(one) == {}
    assert one.get(one.cluster.url) == f"first at {one.address}"
    one.cluster.run("down")


def _tells_of_it(one: Host) -> None:
    """The first machine has the other one's clock, logs and metrics, and finds nothing wrong with it."""
    (row,) = json.loads(one.cluster.run("hosts", "--json").stdout)["hosts"]
    # Both are this machine.
    assert 0 <= row["latency_s"] < 1
    assert abs(row["clock_ahead_s"]) <= row["latency_s"]
    assert row["mtu"] == row["mtu_from_here"]
    (node,) = row["nodes"]
    assert "ray_" in one.get(f"http://{node['metrics_at']}/metrics")
    found = json.loads(one.cluster.run("doctor", "hosts", "--json").stdout)
    assert found["severity"] == "ok", found
    until(lambda: "second/serve/" in one.cluster.run("logs", "serve").stdout, what="the replica's log is told")
    only = one.cluster.run("logs", "second/worker-1", "--all").stdout.splitlines()
    assert only
    assert all(line.startswith("second/worker-1") for line in only)
