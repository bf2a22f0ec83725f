"""What Serve says of its replicas, and when they have settled."""

from __future__ import annotations

from typing import Any

from daybreak.extras.sweep.result import Replicas
from daybreak.extras.sweep.serve import STEADY_S, STUCK_S, ServeState, Settling, read_state


def answer(
    *states: str, target: int | None = 2, config: dict[str, Any] | None = None, node: str = "n"
) -> dict[str, Any]:
    """As the dashboard answers (Ray 2.60)."""
    replicas = [{"state": state, "node_id": node, "replica_id": str(index)} for index, state in enumerate(states)]
    deployment: dict[str, Any] = {
        "status": "HEALTHY",
        "replicas": replicas,
        "deployment_config": config or {"num_replicas": 2},
    }
    if target is not None:
        deployment["target_num_replicas"] = target
    return {"applications": {"default": {"status": "RUNNING", "deployments": {"App": deployment}}}}


def test_replicas_are_counted() -> None:
    assert read_state(answer("RUNNING", "RUNNING")) == ServeState((Replicas("App", 2, 2, False),), False, True)
    starting = read_state(answer("RUNNING", "STARTING"))
    assert (starting.replicas[0].running, starting.moving, starting.complete) == (1, True, False)


def test_an_old_ray_tells_the_target_in_the_configuration() -> None:
    assert read_state(answer("RUNNING", target=None)).replicas == (Replicas("App", 1, 2, False),)


def test_autoscaling_is_known() -> None:
    config = {"num_replicas": None, "autoscaling_config": {"max_replicas": 5}}
    assert read_state(answer("RUNNING", target=1, config=config)).replicas == (Replicas("App", 1, 1, True),)


def test_a_replica_on_a_node_that_is_gone_is_moving() -> None:
    assert read_state(answer("RUNNING", "RUNNING"), frozenset({"n"})).moving is False
    assert read_state(answer("RUNNING", "RUNNING"), frozenset({"other"})).moving is True


def test_settled_is_what_stays_the_same() -> None:
    settling, steady = Settling(), read_state(answer("RUNNING", "RUNNING"))
    assert not settling.settled(read_state(answer("RUNNING")), 100.0)
    assert not settling.settled(steady, 101.0)
    assert not settling.settled(steady, 101.0 + STEADY_S / 2)
    assert settling.settled(steady, 101.0 + STEADY_S)


def test_what_finds_no_room_is_waited_for_longer() -> None:
    settling, stuck = Settling(), read_state(answer("RUNNING", "STARTING"))
    settling.settled(stuck, 100.0)
    assert not settling.settled(stuck, 100.0 + STEADY_S)
    assert settling.settled(stuck, 100.0 + STUCK_S)
