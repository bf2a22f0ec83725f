"""A cluster on one machine, and workers on another one that join it."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time

import pytest

from daybreak.naps import naps
from tests.hosts.machines import Host
from tests.integration.conftest import DEADLINE_S, RAY_RELEASE

pytestmark = pytest.mark.skipif(RAY_RELEASE < (2, 52), reason="this Ray asks for no token")
# A replica that only the other machine has room for.
APP = """
import ray
from ray import serve


@serve.deployment(ray_actor_options={"num_cpus": 0, "resources": {"far": 1}})
class Far:
    def __call__(self, request):
        return ray.util.get_node_ip_address()


main = Far.bind()
"""
HEAD = "address: {head}\nworkers: {{count: 0}}\npage: false\nserve: {{applications: [{{import: app:main}}]}}\n"
WORKERS = """
address: {address}
page: false
join: {{address: "{head}:{gcs}", token_file: token}}
workers: {{count: 1, resources: {{far: 1}}}}
"""


def share_a_token(hosts: list[Host]) -> None:
    """As somebody does who may copy files. A cluster keeps the secrets that it finds."""
    text = secrets.token_hex(32)
    for path in (hosts[0].cluster.root / "secrets/ray-token", hosts[1].cluster.folder / "token"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)


def wait_for(host: Host, address: str, port: int) -> None:
    """Until something listens there, as seen from this host."""
    with host.inside():
        for _ in naps(time.monotonic() + DEADLINE_S):
            with contextlib.suppress(OSError):
                socket.create_connection((address, port), 1.0).close()
                return
    pytest.fail(f"nothing listens at {address}:{port}")


def test_an_application_answers_from_another_machine(two: list[Host]) -> None:
    one, other = two
    gcs = 6380 + one.cluster.offset
    one.cluster.write(HEAD.format(head=one.address), app_py=APP)
    other.cluster.write(WORKERS.format(address=other.address, head=one.address, gcs=gcs), app_py=APP)
    share_a_token(two)

    starting = one.cluster.popen("up")
    wait_for(other, one.address, gcs)
    other.cluster.run("up")
    _, told = starting.communicate(timeout=DEADLINE_S)
    assert starting.returncode == 0, told
    assert one.get(one.cluster.url) == other.address
    ready = {name: row["state"] for name, row in other.cluster.services().items()}
    assert ready == {"warm": "ready", "worker-1": "ready"}

    one.cluster.run("down")
    other.cluster.run("down")
