"""Workers that wait before anybody needs one: the next replica is started in one of them, and no process for it.

A raylet starts some when it is asked, without a word about what for. That is no public function of Ray's: where it is
not there, or refuses, the next replica has a worker started for it, as any other has.
"""

import sys
from typing import Any, Dict, List

TIMEOUT_S = 2.0
# A raylet keeps one for each of its CPUs anyway; those beyond end after so long. Nobody saves all night.
KEEP_S = 4 * 3600
MOST_NODES = 8


def keep_one() -> None:
    """Have each node that has CPUs start one, unless one waits there that has never done anything."""
    try:
        for address in _raylets()[:MOST_NODES]:
            _keep_one_at(address)
    except Exception as error:
        print(f"no worker is kept ready: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _raylets() -> List[str]:
    import ray

    nodes: List[Dict[str, Any]] = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    return [f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}" for node in nodes]


def _keep_one_at(address: str) -> None:
    from ray._private.grpc_utils import init_grpc_channel
    from ray.core.generated import common_pb2, node_manager_pb2, node_manager_pb2_grpc

    ask = node_manager_pb2.PrestartWorkersRequest(
        language=common_pb2.PYTHON, num_workers=1, keep_alive_duration_secs=KEEP_S
    )
    channel = init_grpc_channel(address)
    try:
        raylet = node_manager_pb2_grpc.NodeManagerServiceStub(channel)
        found = raylet.GetNodeStats(node_manager_pb2.GetNodeStatsRequest(), timeout=TIMEOUT_S).core_workers_stats
        if not any(worker.worker_type == common_pb2.WORKER and is_fresh(worker) for worker in found):
            raylet.PrestartWorkers(ask, timeout=TIMEOUT_S)
    finally:
        channel.close()


def is_fresh(worker: Any) -> bool:
    """From a raylet's `CoreWorkerStats`: has it never been an actor, nor done any task?"""
    is_actor = worker.actor_id.strip(b"\xff") != b""
    return not (is_actor or worker.num_executed_tasks or worker.num_running_tasks)
