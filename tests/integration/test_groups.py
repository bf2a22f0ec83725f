"""Two groups of workers and fixed ports on real Ray. One cluster, tests in order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers import free_ports, until
from tests.integration.conftest import RAY_RELEASE, Sandbox

pytestmark = pytest.mark.ray

SPEC = """
head: {cpus: 1}
workers:
  cpus: 1
  groups:
    gpu: {gpus: 1, resources: {special: 1}, env: {KIND: gpu}}
    cpu: {count: 1}
"""
PROGRAM = """
import os
import ray

ray.init(log_to_driver=False)

@ray.remote(num_gpus=1, resources={"special": 1})
def kind():
    return os.environ.get("KIND"), os.environ.get("CUDA_VISIBLE_DEVICES")

labels = sorted(node["Labels"].get("group", "") for node in ray.nodes() if node["Alive"])
print("found", *ray.get(kind.remote()), ",".join(labels))
"""


PER_NODE = 60


def free_block(count: int) -> int:
    """The first of so many free ports in a row. Not the product's own: clusters of tests beside this one take those."""
    while True:
        found = free_ports(count)
        if found[-1] - found[0] == count - 1:
            return found[0]


@pytest.fixture(scope="module")
def block(shared: Sandbox) -> range:
    """The ports of head, gpu-1, cpu-1, one that is not there, and cpu-2; they are in the spec."""
    first = free_block(5 * PER_NODE)
    # GPUs that this machine need not have.
    shared.env["CUDA_VISIBLE_DEVICES"] = "5"
    shared.write(SPEC, ask_py=PROGRAM)
    spec = shared.folder / "daybreak.yaml"
    fixed = f"{{base: {first - shared.offset}, per_node: {PER_NODE}}}"
    spec.write_text(spec.read_text().replace("{offset:", f"{{fixed: {fixed}, offset:", 1))
    return range(first, first + 5 * PER_NODE)


def test_nodes_of_both_groups_come_up_and_differ(shared: Sandbox, block: range) -> None:
    shared.run("up")
    assert list(shared.services()) == ["warm", "head", "gpu-1", "cpu-1"]
    labels = ",cpu,gpu" if RAY_RELEASE >= (2, 49) else ",,"
    assert f"found gpu 5 {labels}" in shared.run("run", "--", "python", "ask.py").stdout


def test_a_number_alone_says_nothing_of_two_groups(shared: Sandbox) -> None:
    for command in ("scale", "up", "plan"):
        done = shared.run(command, "2", code=2)
        assert "2 of which workers? The groups are gpu, cpu: write gpu=1 cpu=1" in done.stderr


def test_one_group_is_scaled_and_a_restart_keeps_that(shared: Sandbox) -> None:
    before = shared.column("pid")
    shared.run("scale", "cpu=2", "gpu=1")
    after = shared.column("pid")
    assert {**before, "cpu-2": after["cpu-2"]} == after
    shared.run("restart", "--in-place")
    assert shared.status()["groups"] == {"gpu": 1, "cpu": 2}
    assert shared.status()["state"] == "ready"
    assert "cpu-2" in shared.run("logs", "workers").stdout


def test_more_gpus_than_there_are_are_refused_with_who_has_them(shared: Sandbox) -> None:
    before = shared.column("pid")
    done = shared.run("scale", "gpu=2", code=2)
    assert (
        "workers.groups.gpu.gpus: gpu-2 asks for 1, and 0 of the 1 of this machine are free (gpu-1 has GPU 5)"
        in done.stderr
    )
    assert shared.column("pid") == before


def test_every_port_of_ray_s_nodes_is_known_and_listed(shared: Sandbox, block: range) -> None:
    places = {"head": 0, "gpu-1": 1, "cpu-1": 2, "cpu-2": 4}

    def listed() -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in json.loads(shared.run("ports", "--json").stdout)["ports"]}

    def agents_listen() -> bool:
        rows = listed()
        return not any(rows[f"{node}.agent_http"]["free"] for node in places)

    # A node is ready before its agent listens.
    until(agents_listen, what="the agents listen")
    rows, pids = listed(), shared.column("pid")
    for node, place in places.items():
        found = rows[f"{node}.node_manager"]
        first = block[place * PER_NODE]
        assert first <= found["port"] < first + PER_NODE // 2
        assert (found["own"], found["process"], found["service"]) == (True, "raylet", node)
        assert rows[f"{node}.agent_http"]["free"] is False
        assert pids[node]
    # Worker processes as well: whatever Ray has opened that is no port that people know.
    others = [
        row["port"] for row in rows.values() if "chosen by the process" in row["name"] and row["service"] != "keeper"
    ]
    assert all(port in block for port in others), others
    told = shared.run("ports", "--firewall").stdout.splitlines()
    assert f"{block[0]}-{block[3 * PER_NODE - 1]}" in told
