"""GPUs are shared out between nodes, on machines that are made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.docker.container_config import host_config
from daybreak.errors import SpecError
from daybreak.machine.gpus import assign, find_gpus
from daybreak.paths import HOME, RUNTIME, ClusterPaths
from daybreak.services.build import build
from daybreak.services.ray.addresses import port_names
from daybreak.services.ray.gpus import VARIABLE, NotEnough, notes, shared_out
from daybreak.services.ray.nodes import head, worker
from daybreak.spec.model import Spec
from tests.unit.services import engine
from tests.unit.services.shop import shop

FOUR = ("0", "1", "2", "3")
LISTED = "GPU 0: NVIDIA A100 (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (UUID: MIG-2)\nGPU 1: NVIDIA A100 (UUID: GPU-3)\n"


def spec(**changes: Any) -> Spec:
    return Spec.model_validate({"name": "shop", **changes})


def groups(**settings: dict[str, Any]) -> Spec:
    return spec(workers={"groups": settings})


def given(wanted: Spec, kept: dict[str, list[str]] | None = None, *, alone: bool = False) -> dict[str, str]:
    found = shared_out(wanted, FOUR, kept or {}, alone=alone)
    return {name: ",".join(devices) for name, devices in found.items()}


def test_none_is_offered_twice() -> None:
    wanted = groups(a={"count": 2, "gpus": 1}, b={"gpus": [0]}, c={})
    assert given(wanted) == {"head": "", "a-1": "1", "a-2": "2", "b-1": "0", "c-1": ""}


def test_a_node_that_is_alone_has_all_and_others_that_say_nothing_none() -> None:
    assert given(spec(workers={"count": 0}), alone=True) == {"head": "0,1,2,3"}
    assert given(spec(workers={"count": 2})) == {"head": "", "worker-1": "", "worker-2": ""}
    # The cluster has grown since it was started, and its head keeps what it has.
    assert given(spec(workers={"count": 1}), alone=True) == {"head": "0,1,2,3", "worker-1": ""}


def test_what_a_node_had_it_keeps() -> None:
    before = groups(a={"count": 1, "gpus": 1}, b={"count": 2, "gpus": 1})
    kept = {name: [devices] for name, devices in given(before).items() if devices}
    after = groups(a={"count": 2, "gpus": 1}, b={"count": 2, "gpus": 1})
    assert given(after, kept).items() >= {"a-1": "0", "b-1": "1", "b-2": "2", "a-2": "3"}.items()
    # What is no longer there, or asked for by name, is not kept.
    assert given(groups(a={"gpus": 1}), {"a-1": ["9"]})["a-1"] == "0"
    assert given(groups(a={"gpus": 1}, b={"gpus": [0]}), {"a-1": ["0"]}) == {"head": "", "a-1": "1", "b-1": "0"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"a": {"gpus": [0, 0]}}, "a-1: asks for GPU 0, which it has already"),
        ({"a": {"gpus": [1]}, "b": {"gpus": [1]}}, "b-1: asks for GPU 1, which a-1 has already"),
        ({"a": {"gpus": [7]}}, "a-1: asks for GPU 7, and the machine has GPU 0, 1, 2, 3"),
        (
            {"a": {"gpus": 3}, "b": {"gpus": 2}},
            "b-1: asks for 2, and 1 of the 4 of this machine is free (a-1 has GPU 0, 1, 2)",
        ),
    ],
)
def test_more_than_there_are_or_one_twice(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(NotEnough) as raised:
        shared_out(groups(**settings), FOUR, {}, alone=False)
    assert told in str(raised.value)


def test_where_nobody_can_tell_ray_is_told_what_the_spec_says() -> None:
    assert shared_out(groups(a={"gpus": 2}), None, {}, alone=False) == {}
    assert shared_out(groups(a={"gpus": [3]}), None, {}, alone=False) == {"a-1": ("3",)}
    with pytest.raises(NotEnough):
        shared_out(groups(a={"count": 2, "gpus": [3]}), None, {}, alone=False)


def test_names_of_other_kinds_are_meant_by_their_place() -> None:
    found = shared_out(groups(a={"gpus": [1]}, b={"gpus": 1}), ("GPU-x", "GPU-y"), {}, alone=False)
    assert found == {"head": (), "a-1": ("GPU-y",), "b-1": ("GPU-x",)}


def test_what_the_machine_has() -> None:
    assert find_gpus({}, lambda: LISTED) == ("0", "1")
    assert find_gpus({}, lambda: None) is None
    assert find_gpus({"CUDA_VISIBLE_DEVICES": "2, 3"}, lambda: LISTED) == ("2", "3")
    assert find_gpus({"CUDA_VISIBLE_DEVICES": ""}, lambda: LISTED) == ()
    assert find_gpus({"CUDA_VISIBLE_DEVICES": "-1"}, lambda: LISTED) == ()


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterPaths:
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    monkeypatch.setenv(RUNTIME, str(tmp_path / "run"))
    found = ClusterPaths.of("shop")
    found.ensure()
    return found


def test_it_is_remembered_and_a_look_changes_nothing(paths: ClusterPaths) -> None:
    two = groups(a={"count": 1, "gpus": 1}, b={"count": 1, "gpus": 1})
    assign(two, paths, FOUR, alone=False)
    assert assign(groups(b={"gpus": 1}), paths, FOUR, alone=False, keep=False)["b-1"] == ("1",)
    assert assign(two, paths, FOUR, alone=False)["b-1"] == ("1",)


def test_what_is_wrong_names_the_key(paths: ClusterPaths) -> None:
    with pytest.raises(SpecError) as raised:
        assign(groups(a={"gpus": 5}), paths, FOUR, alone=False)
    assert [(one.key, one.message) for one in raised.value.problems] == [
        ("workers.groups.a.gpus", "a-1 asks for 5, and 4 of the 4 of this machine are free (nobody has one)"),
    ]


def test_nodes_see_their_own_alone() -> None:
    wanted = spec(workers={"count": 1, "gpus": 2})
    ports = dict.fromkeys(port_names(wanted), 20000)
    found = shop(gpus={"head": (), "worker-1": ("1", "3")}, gpus_there=4, ports=ports)
    node = worker(wanted, found, "worker-1")
    assert (node.env[VARIABLE], "--num-gpus=2" in node.argv) == ("1,3", True)
    assert (head(wanted, found).env[VARIABLE], "--num-gpus=0" in head(wanted, found).argv) == ("", True)
    assert VARIABLE not in worker(wanted, replace(found, gpus={}), "worker-1").env
    assert next(notes(wanted, found)).startswith("2 of the 4 GPUs of this machine are offered by no node")
    assert list(notes(wanted, replace(found, gpus={}))) == []


def test_containers_are_given_them_by_the_engine() -> None:
    wanted = engine.spec(workers={"count": 1, "gpus": 1})
    found = replace(engine.site(wanted), gpus={"head": (), "worker-1": ("2",)})
    services = {service.name: service for service in build(wanted, found)}
    made = services["worker-1"].container
    assert made
    asked = host_config(made, {})["DeviceRequests"]
    assert asked == [{"Driver": "", "DeviceIDs": ["2"], "Capabilities": [["gpu"]]}]
    assert VARIABLE not in services["worker-1"].env
    head_container = services["head"].container
    assert head_container
    assert "DeviceRequests" not in host_config(head_container, {})
