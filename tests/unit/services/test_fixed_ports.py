"""Fixed ports: blocks that do not meet, stay when workers come and go, and leave room for a second generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import SpecError
from daybreak.services.ray.addresses import port_names
from daybreak.services.ray.fixed_ports import FIRST, LAST, blocks, fixed_ports
from daybreak.services.slots import Slot
from daybreak.spec import load_spec
from daybreak.spec.model import Spec

GROUPS = {"groups": {"gpu": {"count": 1}, "cpu": {"count": 2}}}


def spec(**changes: Any) -> Spec:
    return Spec.model_validate({"name": "shop", "ports": {"fixed": True}, "workers": GROUPS, **changes})


def test_nothing_is_fixed_by_default() -> None:
    assert fixed_ports(Spec(name="shop"), Slot.A) == {}


@pytest.mark.parametrize("slot", Slot)
def test_every_port_of_every_node_is_given_once(slot: Slot) -> None:
    found = fixed_ports(spec(), slot)
    assert set(port_names(spec())) <= found.keys()
    assert len(set(found.values())) == len(found)
    for name, port in found.items():
        node = name.removeprefix("a.").removeprefix("b.").partition(".")[0]
        assert port in blocks(spec())[node], name


def test_a_second_generation_has_ports_of_its_own() -> None:
    one, other = fixed_ports(spec(), Slot.A), fixed_ports(spec(), Slot.B)
    assert {one[name] for name in port_names(spec())}.isdisjoint(other[name] for name in port_names(spec()))
    assert one["b.head.serve_http"] == other["head.serve_http"]
    assert other["a.head.own_dashboard"] == one["head.own_dashboard"]
    assert "head.gcs" not in one
    for found in (one, other):
        for node in ("head", "gpu-1"):
            workers = range(found[f"{node}.{FIRST}"], found[f"{node}.{LAST}"] + 1)
            assert len(workers) >= 20
            assert not set(workers) & {found[name] for name in port_names(spec())}


def test_another_number_of_workers_moves_nobody() -> None:
    more = spec(workers={"groups": {"gpu": {"count": 3}, "cpu": {"count": 2}}})
    assert fixed_ports(spec(), Slot.A).items() <= fixed_ports(more, Slot.A).items()


def test_the_base_moves_with_the_offset() -> None:
    moved = spec(ports={"fixed": {"base": 12000, "per_node": 200}, "offset": 7})
    assert [block[0] for block in blocks(moved).values()] == [12007, 12207, 12407, 12807]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ports: {fixed: {base: 7900}}", "the ports of head, 7900 to 7999, hold"),
        (
            "ports: {fixed: {base: 64900}}\nworkers: {count: 9}",
            "the ports of worker-6 are 65500 to 65599; ports end at",
        ),
        ("ports: {fixed: true}\nbackend: docker", "means nothing in containers with a network of their own"),
        ("ports: {fixed: {per_node: 10}}", "60"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "daybreak.yaml"
    extra = "services: {api: {command: [api], ports: [7950]}}\n" if "7900" in text else ""
    file.write_text(f"name: shop\n{text}\n{extra}")
    with pytest.raises(SpecError) as raised:
        load_spec(file)
    messages = [problem.message for problem in raised.value.problems]
    assert any(why in message for message in messages), messages
    if extra:
        assert any("7950, which is that of services.api.ports[0]" in message for message in messages)
