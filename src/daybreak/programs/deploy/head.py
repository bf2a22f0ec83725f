"""The head that is deployed on: waiting until it can be, connecting, and asking its dashboard."""

import json
import socket
import time
import urllib.request
from typing import Any, Dict, Optional

from . import code_folder
from .progress import Status, naps

PROBE_TIMEOUT_S = 5.0
HEAD_RESOURCE = "node:__internal_head__"
ALIVE = 0  # GcsNodeInfo.GcsNodeState


def request(
    url: str, token_file: Optional[str], *, method: str = "GET", body: Any = None, timeout_s: float = PROBE_TIMEOUT_S
) -> bytes:
    """One HTTP request on this machine, with Ray's token where there is one; proxies are never used."""
    made = urllib.request.Request(url, method=method)
    if body is not None:
        made.data = json.dumps(body).encode()
        made.add_header("Content-Type", "application/json")
    if token_file:
        with open(token_file, encoding="utf-8") as file:
            made.add_header("Authorization", f"Bearer {file.read().strip()}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(made, timeout=timeout_s) as answer:
        return bytes(answer.read())


def wait_for_http(url: str, deadline: float, what: str, token_file: Optional[str]) -> None:
    """Wait until the URL answers 200."""
    for nap in naps(deadline, what):
        try:
            request(url, token_file)
            return
        except OSError:
            time.sleep(nap)


def wait_for_raylet(job: Dict[str, Any], deadline: float) -> None:
    """Wait until the GCS knows a living node. Where this Ray's client cannot be asked so, the head's agent is: it
    starts later than the raylet."""
    import ray._raylet

    what = "the head's raylet is not registered"
    host, _, port = job["address"].rpartition(":")
    for nap in naps(deadline, "the GCS does not answer"):
        try:
            socket.create_connection((host, int(port)), timeout=PROBE_TIMEOUT_S).close()
            break
        except OSError:
            time.sleep(nap)
    try:
        client = ray._raylet.GcsClient(address=job["address"])
        for nap in naps(deadline, what):
            if any(info.state == ALIVE for info in client.get_all_node_info(timeout=PROBE_TIMEOUT_S).values()):
                return
            time.sleep(nap)
    except (AttributeError, TypeError):
        # Ray 2.20's agents answer without a token, and ignore it where given.
        wait_for_http(job["raylet_health"], deadline, what, job["token_file"])


def connect(job: Dict[str, Any], status: Status, deadline: float, init: Any, **options: Any) -> Any:
    """Connect to the cluster as soon as its head can be; `init` is Ray's `ray.init`."""
    status.write("waiting", "for the head's raylet")
    wait_for_raylet(job, deadline)
    status.write("connecting", f"to {job['address']}")
    defaults = {"log_to_driver": False, "namespace": "daybreak"}
    with code_folder.looked_for(job, options) as given:
        return init(address=job["address"], ignore_reinit_error=True, **{**defaults, **given})


def head_id(job: Dict[str, Any]) -> str:
    """The head's session where its state outlives it, else its node. A driver's own may be any node of this machine:
    they have one address."""
    import ray

    try:
        with open(job.get("session_file") or "", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        pass
    heads = [node["NodeID"] for node in ray.nodes() if HEAD_RESOURCE in node.get("Resources", {})]
    return str(heads[0] if heads else ray.get_runtime_context().get_node_id())
