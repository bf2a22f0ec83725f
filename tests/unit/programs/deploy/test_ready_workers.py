"""A worker is asked for where none waits, and what goes wrong then takes nothing away."""

from __future__ import annotations

from concurrent import futures
from typing import Any

import pytest

from daybreak.programs.deploy import ready_workers

grpc = pytest.importorskip("grpc")
pb2 = pytest.importorskip("ray.core.generated.node_manager_pb2")
if not hasattr(pb2, "PrestartWorkersRequest"):
    pytest.skip("raylets of this Ray start no workers ahead", allow_module_level=True)

WORKER, DRIVER = 0, 1
NIL = b"\xff" * 16


def raylet(workers: list[dict[str, Any]], asked: list[Any]) -> Any:
    """One that tells of these workers, and what it is asked for."""
    from ray.core.generated import node_manager_pb2_grpc

    def stats(_self: Any, _request: Any, _context: Any) -> Any:
        return pb2.GetNodeStatsReply(core_workers_stats=workers)

    def prestart(_self: Any, request: Any, _context: Any) -> Any:
        asked.append(request)
        return pb2.PrestartWorkersReply()

    kind: Any = type(
        "Raylet",
        (node_manager_pb2_grpc.NodeManagerServiceServicer,),
        {"GetNodeStats": stats, "PrestartWorkers": prestart},
    )
    server = grpc.server(futures.ThreadPoolExecutor(1))
    node_manager_pb2_grpc.add_NodeManagerServiceServicer_to_server(kind(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("worker", "waits"),
    [
        ({"worker_type": WORKER, "actor_id": NIL}, True),
        ({"worker_type": WORKER}, True),
        ({"worker_type": WORKER, "actor_id": b"\x01" * 16}, False),
        ({"worker_type": WORKER, "num_executed_tasks": 1}, False),
        ({"worker_type": WORKER, "num_running_tasks": 1}, False),
        ({"worker_type": DRIVER}, False),
    ],
)
def test_one_is_asked_for_where_none_waits(
    worker: dict[str, Any], waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    server, address = raylet([worker], asked)
    monkeypatch.setattr(ready_workers, "_raylets", lambda: [address])
    try:
        ready_workers.keep_one()
    finally:
        server.stop(None).wait()
    assert [one.num_workers for one in asked] == ([] if waits else [1])
    assert all(one.keep_alive_duration_secs for one in asked)


def test_what_goes_wrong_is_told_and_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing() -> list[str]:
        raise ConnectionError("no cluster")

    monkeypatch.setattr(ready_workers, "_raylets", nothing)
    ready_workers.keep_one()
    assert capsys.readouterr().err == "no worker is kept ready: ConnectionError: no cluster\n"
