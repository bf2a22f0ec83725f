"""Object stores that do not fit are told before the start, and refused where Ray would refuse them."""

from __future__ import annotations

from typing import Any

import pytest

from daybreak.backends.base import Handle
from daybreak.doctor import shm
from daybreak.errors import PreflightError
from daybreak.keeper.room import room_for_objects
from daybreak.plan import plan
from daybreak.spec.model import Spec
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
