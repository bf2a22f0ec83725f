"""Replicas that can never be placed are told with what to change; where they may be, nothing is said."""

from __future__ import annotations

from typing import Any

import pytest

from daybreak.programs.deploy.shortage import shortage


def ask(replicas: int, deployment: str = "Model", /, **each: float) -> dict[str, Any]:
    return {"application": "default", "deployment": deployment, "replicas": replicas, "each": each}


def nodes(head: float | None, *workers: float | None, **more: Any) -> list[dict[str, Any]]:
    rows = [{"name": "head", "CPU": head, **more}]
    return rows + [{"name": f"worker-{number + 1}", "CPU": cpus} for number, cpus in enumerate(workers)]


def told(asks: list[dict[str, Any]], there: list[dict[str, Any]]) -> tuple[str, str]:
    short = shortage(asks, there)
    assert short is not None
    return short.reason, short.hint


def test_more_in_sum_than_there_is() -> None:
    reason, hint = told([ask(2, CPU=1.1)], nodes(2))
    assert reason == "the applications ask for 2.2 CPUs (Model), and the nodes offer 2 CPUs (head 2, no workers)"
    assert hint == "write head: {cpus: 3}, or ask for less in the application"
    reason, hint = told([ask(1, CPU=1), ask(3, "Other", CPU=1)], nodes(1, 1))
    assert "4 CPUs (Model, Other), and the nodes offer 2 CPUs (head 1, 1 worker 1)" in reason
    assert hint.startswith("write head: {cpus: 3}, or start 3 workers (daybreak up 3)")


def test_a_replica_that_fits_on_no_node() -> None:
    reason, hint = told([ask(1, CPU=4)], nodes(2, 2, 2))
    assert reason == "a replica of Model asks for 4 CPUs on one node, and none offers more than 2 CPUs"
    assert hint.startswith("write head: {cpus: 4}")


def test_enough_in_sum_but_not_on_any_node() -> None:
    reason, _ = told([ask(3, CPU=2)], nodes(3, 3))
    assert reason.startswith(
        "3 replicas (Model) ask for 2 CPUs or more each, and the nodes have room for 2 (head 3, 1 "
    )


@pytest.mark.parametrize(
    ("asks", "there"),
    [
        ([ask(2, CPU=1)], nodes(1, 1)),
        ([ask(10, CPU=0.1)], nodes(1)),
        ([ask(5, CPU=0)], nodes(1)),
        ([ask(0, CPU=9)], nodes(1)),
        ([], nodes(1)),
        ([ask(1, CPU=1, GPU=1)], nodes(1, GPU=None)),
        ([ask(1, CPU=1, memory=10.0**12)], nodes(1, memory=None)),
        ([ask(1, CPU=1, **{"accelerator_type:A100": 0.001, "node:__internal_head__": 0.1})], nodes(1)),
        # Ray's amounts are exact to four digits: three tenths, thrice, are not more than nine.
        ([ask(3, CPU=0.3)], [{"name": "head", "CPU": 0.9}]),
    ],
)
def test_what_fits_or_may_fit_is_left_alone(asks: list[dict[str, Any]], there: list[dict[str, Any]]) -> None:
    assert shortage(asks, there) is None


def test_gpus_memory_and_custom_resources_are_named_as_the_spec_has_them() -> None:
    assert "1 GPU on one node" in told([ask(1, CPU=1, GPU=1)], nodes(1, GPU=0))[0]
    assert "head: {gpus: 1}" in told([ask(1, CPU=1, GPU=1)], nodes(1, GPU=0))[1]
    assert "head: {resources: {camera: 1}}" in told([ask(1, camera=1)], nodes(1))[1]
    reason, hint = told([ask(1, memory=3 * 2.0**30)], nodes(1, memory=2**30))
    assert "3 GiB of memory" in reason
    assert "head: {memory: 3GiB}" in hint


def test_bundles_of_a_placement_group_may_be_on_several_nodes_or_must_be_on_one() -> None:
    bundles = {**ask(1), "bundles": [{"CPU": 2}, {"CPU": 2}]}
    assert shortage([bundles], nodes(2, 2)) is None
    assert "4 CPUs on one node" in told([{**bundles, "together": True}], nodes(2, 2))[0]


def test_workers_of_several_groups_are_told_apart() -> None:
    there = [{"name": "head", "CPU": 1}, {"name": "gpu-1", "CPU": 4, "GPU": 1}]
    there += [{"name": f"cpu-{number}", "CPU": 1} for number in (1, 2)]
    reason, hint = told([ask(2, GPU=1)], there)
    assert reason.endswith("(head 0, 1 gpu worker 1, 2 cpu workers 0 each)")
    assert "start 2 gpu workers (daybreak up gpu=2)" in hint
    _, hint = told([ask(9, CPU=1)], there)
    assert "start 2 gpu workers (daybreak up gpu=2), or start 4 cpu workers (daybreak up cpu=4)" in hint
