"""Room for more replicas: what the nodes have, less what is held, asked for and reserved."""

from __future__ import annotations

from typing import Any

import pytest

from daybreak.run.replica_room import ALL, ONE, replicas, room

GROUP = "0123456789abcdef0123456789abcdef0123"


def node(name: str = "n", *held: dict[str, float], **total: Any) -> dict[str, Any]:
    used = [{"usedResources": {key: _slots(amount) for key, amount in one.items()}} for one in held]
    return {"raylet": {"nodeId": name, "state": "ALIVE", "resourcesTotal": total, "coreWorkersStats": used}}


def _slots(amount: float) -> dict[str, Any]:
    return {"resourceSlots": [{"slot": "0", "allocation": amount}]}


def serving(count: int = 1, where: str = "n", **options: Any) -> dict[str, Any]:
    running = [{"node_id": where, "pid": 100 + number} for number in range(count)]
    asked = {"CPU": options.get("num_cpus", 1), **options.get("resources", {})}
    deployment = {
        "deployment_config": {"ray_actor_options": options, "num_replicas": count},
        "target_num_replicas": count,
        "required_resources": asked,
        "replicas": running,
    }
    return {"applications": {"shop": {"deployments": {"App": deployment}}}}


@pytest.mark.parametrize(
    ("serve", "nodes", "surge"),
    [
        (serving(2), [node(CPU=4)], ALL),
        (serving(2), [node(CPU=3)], ONE),
        (serving(2), [node(CPU=2)], 0),
        (serving(2), [node("n", {"CPU": 3.0}, CPU=4)], ONE),
        (serving(2), [node(CPU=2), node("m", CPU=2)], ALL),
        (serving(1, num_cpus=2), [node(CPU=3), node("m", CPU=1)], 0),
        (serving(1, num_cpus=0), [node(CPU=0)], ALL),
        (serving(1, resources={"my_part": 1}), [node(CPU=4, myPart=1)], 0),
        (serving(1, resources={"my_part": 1}), [node(CPU=4, myPart=2)], ALL),
        (serving(1), [node("n", CPU=4, **{f"CPUGroup{GROUP}": 3, f"CPUGroup0{GROUP}": 3})], 0),
    ],
)
def test_as_many_more_as_fit(serve: dict[str, Any], nodes: list[dict[str, Any]], surge: int) -> None:
    found = room(serve, nodes, ["shop"])
    assert found.surge == surge
    assert bool(found.why) == (surge == 0)


def test_a_replica_that_is_stopping_makes_room_by_itself() -> None:
    serve = serving(2)
    deployment = serve["applications"]["shop"]["deployments"]["App"]
    deployment["target_num_replicas"] = deployment["deployment_config"]["num_replicas"] = 1
    there = node("n", {"CPU": 1.0}, {"CPU": 1.0}, CPU=2)
    for pid, worker in zip((100, 101), there["raylet"]["coreWorkersStats"], strict=True):
        worker["pid"] = pid
    assert room(serve, [there], ["shop"]).surge == 0
    deployment["replicas"][0]["state"] = "STOPPING"
    assert room(serve, [there], ["shop"]).surge == ALL


def test_what_lacks_is_told() -> None:
    assert room(serving(1), [node(CPU=1.5)], ["shop"]).why.endswith("App asks for 1 CPU; free: 0.5 CPU")


def test_a_dead_node_has_no_room() -> None:
    dead = node("m", CPU=8)
    dead["raylet"]["state"] = "DEAD"
    assert room(serving(2), [node(CPU=2), dead], ["shop"]).surge == 0


def test_the_processes_of_each_deployment_are_known() -> None:
    assert replicas(serving(2), ["shop", "gone"]) == [[100, 101]]


def test_an_answer_of_another_shape_is_no_room_by_chance() -> None:
    with pytest.raises(KeyError):
        room({}, [], ["shop"])
