"""Workers in groups: what a group has from its section, names, places, and other numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import SpecError
from daybreak.names import group_of
from daybreak.spec import load_spec
from daybreak.spec.groups import LABEL, Counts, by_group, by_name, groups_in, kept_counts, place_of, with_counts
from daybreak.spec.model import Spec

TWO = {
    "cpus": 2,
    "env": {"A": "1", "B": "2"},
    "groups": {"gpu": {"gpus": 1, "env": {"B": "3"}, "labels": {"zone": "left"}}, "cpu": {"count": 2, "cpus": 1}},
}


def spec(workers: dict[str, Any]) -> Spec:
    return Spec.model_validate({"name": "shop", "workers": workers})


def test_a_group_has_from_its_section_what_it_does_not_say() -> None:
    groups = by_group(spec(TWO).workers)
    assert {name: (group.count, group.cpus, group.gpus) for name, group in groups.items()} == {
        "gpu": (1, 2.0, 1),
        "cpu": (2, 1.0, None),
    }
    assert groups["gpu"].env == {"A": "1", "B": "3"}
    assert groups["cpu"].env == {"A": "1", "B": "2"}
    assert spec(TWO).workers.count == 3


def test_a_spec_with_groups_reads_back_equal() -> None:
    made = spec(TWO)
    stored = made.model_dump(mode="json", by_alias=True)
    assert Spec.model_validate(stored) == made
    scaled = made.model_copy(update={"workers": with_counts(made.workers, {"cpu": 5})})
    assert Spec.model_validate(scaled.model_dump(mode="json", by_alias=True)) == scaled
    assert groups_in(stored) == ["gpu", "cpu"]
    assert groups_in({}) == groups_in({"workers": {"groups": {}}}) == ["worker"]


def test_nodes_are_called_by_their_group_and_say_so_in_a_label() -> None:
    nodes = by_name(spec(TWO).workers)
    assert list(nodes) == ["gpu-1", "cpu-1", "cpu-2"]
    assert nodes["gpu-1"].labels == {LABEL: "gpu", "zone": "left"}
    own = by_name(spec({"groups": {"gpu": {"labels": {LABEL: "mine"}}}}).workers)
    assert own["gpu-1"].labels == {LABEL: "mine"}
    assert {name: node.labels for name, node in by_name(spec({"count": 2}).workers).items()} == {
        "worker-1": {},
        "worker-2": {},
    }


@pytest.mark.parametrize(
    ("node", "group"),
    [("gpu-1", "gpu"), ("gpu-12", "gpu"), ("gpu-a-3", "gpu-a"), ("gpu-01", ""), ("gpu-", ""), ("gpu", ""), ("x-1", "")],
)
def test_the_group_of_a_name(node: str, group: str) -> None:
    assert group_of(node, ("gpu", "gpu-a")) == group


def test_places_are_different_and_stay_when_a_group_grows() -> None:
    groups = ["a", "b", "c"]
    before = {node: place_of(node, groups) for node in ("a-1", "b-1", "b-2", "c-1")}
    after = {node: place_of(node, groups) for node in ("a-1", "a-2", "a-3", "b-1", "b-2", "c-1")}
    assert before.items() <= after.items()
    assert len(set(after.values())) == len(after)
    assert [place_of(f"worker-{number}", ["worker"]) for number in (1, 2, 3)] == [1, 2, 3]


def test_other_numbers() -> None:
    workers = with_counts(spec(TWO).workers, {"cpu": 4})
    assert (workers.count, workers.groups["gpu"].count, workers.groups["cpu"].count) == (5, 1, 4)
    assert with_counts(spec({"groups": {"gpu": {}}}).workers, 3).groups["gpu"].count == 3
    assert with_counts(spec({"count": 1}).workers, 3).count == 3
    assert with_counts(spec({"count": 1}).workers, {"worker": 2}).count == 2


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        (3, "3 of which workers? The groups are gpu, cpu: write gpu=1 cpu=2"),
        ({"tpu": 1}, "no group of workers is called tpu; there is gpu, cpu"),
        ({"cpu": 129}, "a group has 0 to 128 workers here, not cpu=129"),
        ({"cpu": -1}, "a group has 0 to 128 workers here, not cpu=-1"),
    ],
)
def test_numbers_that_cannot_be_meant(counts: Counts, why: str) -> None:
    with pytest.raises(ValueError) as raised:
        with_counts(spec(TWO).workers, counts)
    assert str(raised.value) == why


def test_numbers_given_for_another_spec_count_as_far_as_they_mean_anything() -> None:
    assert kept_counts(spec(TWO).workers, {"cpu": 4, "gone": 2}).count == 5
    assert kept_counts(spec(TWO).workers, 7) == spec(TWO).workers
    assert kept_counts(spec({"count": 1}).workers, 7).count == 7
    assert kept_counts(spec({"count": 1}).workers, {"gpu": 7}).count == 1


def problems(folder: Path, text: str) -> list[str]:
    file = folder / "daybreak.yaml"
    file.write_text(f"name: shop\n{text}")
    with pytest.raises(SpecError) as raised:
        load_spec(file)
    return [f"{one.line}: {one.key}: {one.message}" for one in raised.value.problems]


def test_what_is_wrong_with_groups_is_told_at_once(tmp_path: Path) -> None:
    text = """
workers:
  groups:
    head: {}
    gpu: {count: 200, gpu: 1}
    cpu: {resources: {CPU: 1}}
services:
  gpu: {command: [sleep]}
  cpu-3: {command: [sleep], needs: [cpu, gpus]}
"""
    found = problems(tmp_path, text)
    assert [line.partition(": ")[2].split(":")[0] for line in found] == [
        "workers.groups.head",
        "workers.groups.gpu.count",
        "workers.groups.gpu.gpu",
        "workers.groups.cpu.resources.CPU",
        "services.gpu",
        "services.cpu-3",
        "services.cpu-3.needs[1]",
    ]
    assert "with 3 groups each has at most 85 workers" in found[1]


def test_a_count_beside_groups_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, "workers:\n  count: 4\n  groups: {a: {count: 1}, b: {count: 2}}\n")
    assert found == ["2: workers: give either count or groups, which have counts of their own"]


def test_a_group_that_says_nothing_has_one_node(tmp_path: Path) -> None:
    file = tmp_path / "daybreak.yaml"
    file.write_text("name: shop\nworkers:\n  groups:\n    gpu:\n    cpu: {count: 2}\n")
    assert list(by_name(load_spec(file).spec.workers)) == ["gpu-1", "cpu-1", "cpu-2"]
