"""Object stores that do not fit are told before the start, and refused where Ray would refuse them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.base import Handle
from daybreak.errors import PreflightError
from daybreak.extras.doctor.diagnoses import shm
from daybreak.keeper.planning.capacity import ASKS_FILE, room_for_objects, room_for_replicas
from daybreak.run.plan import Goal, plan
from daybreak.services.service import Tier
from daybreak.spec.model import Node, Spec
from tests.unit.helpers import service

GIB = 2**30
STEPS = plan([service("head"), service("worker-1")], [])


def spec(store: str, **rest: Any) -> Spec:
    return Spec.model_validate({"name": "a", "head": {"object_store": store}, **rest})


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 GiB in /dev/shm, all of it free where nothing runs."""
    monkeypatch.setattr(shm, "room", lambda running: 2 * GIB if running else GIB)


def test_what_fits_is_not_mentioned() -> None:
    assert room_for_objects(STEPS, [], spec("512MiB")) == []


def test_what_ray_puts_on_the_disk_or_may_be_killed_for_is_told() -> None:
    (note,) = room_for_objects(STEPS, [], spec("2GiB"))
    assert "Ray puts it on the disk instead" in note
    assert "less `object_store` in the spec, or sudo mount -o remount,size=" in note
    assert "together" in room_for_objects(STEPS, [], spec("900MiB"))[0]


def test_what_ray_refuses_is_refused_before_anything_is_touched() -> None:
    with pytest.raises(PreflightError, match="Ray refuses to start the node"):
        room_for_objects(STEPS, [], spec("20GiB"))


def test_where_no_node_starts_or_all_are_containers_nothing_is_said() -> None:
    assert room_for_objects(plan([service("web")], []), [], spec("20GiB")) == []
    assert room_for_objects(STEPS, [], spec("20GiB", backend="docker")) == []


def test_what_a_running_cluster_has_filled_is_its_own() -> None:
    head = Handle("head", "app", "i", "", 1, 1, "b", 1.0)
    assert room_for_objects(STEPS, [head], spec("1500MiB")) == []


def test_nodes_that_are_taken_away_from_replicas_are_told(tmp_path: Path) -> None:
    serve = service("serve", one_shot=True)
    handles = [Handle(name, "app", name, service(name).fingerprint(), 1, 1, "b", 1.0) for name in ("head", "worker-1")]
    handles.append(Handle("serve", "app", "s", serve.fingerprint(), 1, 1, "b", 1.0, one_shot=True))
    scaled = plan([service("head"), serve], handles)
    wanted = Spec.model_validate(
        {"name": "a", "workers": {"count": 0}, "serve": {"applications": [{"import": "app:main"}]}}
    )
    assert room_for_replicas(scaled, wanted, tmp_path) == []  # nobody has told what they ask for
    ask = {"application": "default", "deployment": "App", "replicas": 2, "each": {"CPU": 1}}
    (tmp_path / ASKS_FILE).write_text(json.dumps([ask]))
    (note,) = room_for_replicas(scaled, wanted, tmp_path)
    assert note.startswith("the applications ask for 2 CPUs (App), and the nodes offer 1 CPU (head 1, no workers): ")
    assert "write head: {cpus: 2}" in note
    assert room_for_replicas(scaled, wanted.model_copy(update={"head": Node(cpus=2)}), tmp_path) == []
    restarted = plan([service("head"), serve], handles, Goal(replace_tiers=frozenset({Tier.APP})))
    assert room_for_replicas(restarted, wanted, tmp_path) == []
