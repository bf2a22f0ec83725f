"""Tell Ray that nodes are about to go: `python drain.py GCS DEADLINE_S ADDRESS:PORT ...`, the places of their raylets.

A program of Ray's interpreter, for one call: nothing new is placed on these nodes from then on, and Serve starts its
replicas elsewhere before it stops those that are there. Ray takes no node back: a raylet that has nothing left to do
ends. DEADLINE_S is the time after which Serve stops replicas there also without others, as it stops them always: what
they are answering is answered. With 0 it waits for the others however long that takes.

The last line of the output has Ray's ids of those that it knows by their places (JSON), or why it refuses one, and then
the exit code is 1. It is 3 where this Ray's Serve moves no replicas.
"""

import importlib.util
import json
import os
import sys
import time
from typing import Dict, List

NOT_MOVED_CODE = 3
TIMEOUT_S = 5.0
# Older versions of Serve know draining nodes as well, but never ask Ray for them.
PLACE, WORD = "serve/_private/cluster_node_info_cache.py", "gcs_client.get_draining_nodes("


def moves_replicas() -> bool:
    """Whether Serve looks for draining nodes. Asking it would import it, which takes a second."""
    found = importlib.util.find_spec("ray")
    if found is None or not found.origin:
        return False
    try:
        with open(os.path.join(os.path.dirname(found.origin), PLACE), encoding="utf-8") as file:
            return WORD in file.read()
    except OSError:
        return False


def drain(address: str, deadline_s: float, places: List[str]) -> Dict[str, str]:
    """The ids of the nodes by their places. Raises ValueError where Ray refuses one."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.core.generated import autoscaler_pb2, gcs_pb2

    client = GcsClient(address=address)
    there = {
        f"{info.node_manager_address}:{info.node_manager_port}": node.hex()
        for node, info in client.get_all_node_info(timeout=TIMEOUT_S).items()
        if info.state == gcs_pb2.GcsNodeInfo.ALIVE
    }
    found = {place: there[place] for place in places if place in there}
    # With the other reason Ray refuses where a node is in use.
    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    until_ms = int((time.time() + deadline_s) * 1000) if deadline_s else 0
    for node in found.values():
        accepted, why = client.drain_node(node, reason, "daybreak stops this node", until_ms)
        if not accepted:
            raise ValueError(why or "no reason given")
    return found


def main() -> int:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if folder != here]
    if not moves_replicas():
        return NOT_MOVED_CODE
    try:
        print(json.dumps(drain(sys.argv[1], float(sys.argv[2]), sys.argv[3:])))
    except Exception as error:  # it refuses, is not there, or is another one
        print(" ".join(f"{type(error).__name__}: {error}".split()))
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Ray's own threads are not waited for.
    os._exit(code)
