"""A host that the spec names is logged into, joins, answers, and leaves when the spec has it no more."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers import until
from tests.hosts import sshd
from tests.hosts.machines import Host
from tests.integration.conftest import RAY_RELEASE

pytestmark = [
    pytest.mark.skipif(RAY_RELEASE < (2, 52), reason="this Ray asks for no token"),
    pytest.mark.skipif(bool(sshd.unavailable()), reason=sshd.unavailable()),
]
# Only the host has room for the first one.
APP = """
import os

import ray
from ray import serve


@serve.deployment(ray_actor_options={"num_cpus": 0, "resources": %s})
class Where:
    def __call__(self, request):
        return f"%s {os.environ['KEY']} at " + ray.util.get_node_ip_address()


main = Where.bind()
"""
SPEC = """
address: {address}
workers: {{count: 0}}
page: false
secrets: {{key: {{file: key.txt}}}}
serve: {{applications: [{{import: app:main}}], secrets: [{{name: key, env: KEY}}]}}
hosts: {hosts}
"""


def hosts(one: Host) -> dict[str, tuple[str, int]]:
    rows = json.loads(one.cluster.run("hosts", "--json").stdout)["hosts"]
    return {row["name"]: (row["state"], len(row["nodes"])) for row in rows}


def spec(one: Host, *hosts: Mapping[str, object]) -> str:
    return SPEC.format(address=one.address, hosts=json.dumps(hosts))


def test_a_host_of_the_spec_joins_over_ssh_answers_and_leaves(two: list[Host], tmp_path: Path) -> None:
    one, other = two
    folder = tmp_path / "ssh"
    # What has this Ray and this daybreak already: nothing is installed.
    far = {"ssh": f"root@{other.address}", "name": "far", "python": sys.executable, "resources": {"far": 2}}
    # Nobody listens at that port.
    nobody = {"ssh": f"ssh://root@{other.address}:2222", "name": "nobody"}
    other.cluster.name = one.cluster.name
    with sshd.lets_in(other, folder), sshd.user(folder) as environment:
        one.cluster.env |= environment
        (one.cluster.folder / "key.txt").write_text("opensesame")
        one.cluster.write(spec(one, far, nobody), app_py=APP % ({"far": 1}, "first"))
        planned = one.cluster.run("plan").stdout
        assert f"host far (root@{other.address}) would join" in planned
        up = one.cluster.run("up")
        assert one.get(one.cluster.url) == f"first opensesame at {other.address}"
        assert "host far: joined" in up.stderr
        assert "warning: host nobody is away: " in up.stderr
        found = hosts(one)
        assert found.pop("nobody") == ("away", 0)
        assert found.keys() == {"far"}
        # Its token counts no more.
        assert json.loads((one.cluster.root / "hosts/hosts.json").read_text())["invitations"] == []

        # Another number is told to it; nobody logs in for that.
        one.cluster.write(spec(one, {**far, "workers": 2}), app_py=APP % ({}, "next"))
        assert "host far would be told: workers 2" in one.cluster.run("plan").stdout
        one.cluster.run("up")
        until(lambda: hosts(one) == {"far": ("ready", 2)}, what="the host has another worker")

        one.cluster.write(spec(one), app_py=APP % ({}, "next"))
        one.cluster.run("up")
        assert hosts(one) == {}
        assert one.get(one.cluster.url) == f"next opensesame at {one.address}"
        # Its keeper ends, too: sshd alone is left there.
        until(lambda: len(other.pids()) == 1, what="nothing of the cluster runs on the host")
        one.cluster.run("down")
