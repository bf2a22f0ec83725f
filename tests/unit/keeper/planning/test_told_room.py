"""What Ray's nodes tell of their processes is some seconds old: a lack that may be over is looked at again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from daybreak.keeper.planning import restart_facts
from daybreak.keeper.planning.restart_facts import SETTLES_S
from daybreak.keeper.ray.serve_status import NODES_PATH
from daybreak.run.restart_way import Room
from daybreak.services.build import Cluster
from daybreak.testing.clock import run
from tests.unit.run.test_replica_room import node, serving

# One has run to its end, and is named still.
OLD, NOW = node("n", {"CPU": 1.0}, {"CPU": 1.0}, CPU=2), node("n", {"CPU": 1.0}, CPU=2)
FULL = node("n", {"CPU": 1.0}, CPU=1)


def told(monkeypatch: pytest.MonkeyPatch, answers: Sequence[dict[str, Any]]) -> tuple[Room, float]:
    """The room, and after how many seconds it was known; the last answer stays."""
    left = list(answers)

    async def ask(_: object, path: str) -> Any:
        if path == NODES_PATH:
            return {"data": {"summary": [left.pop(0) if len(left) > 1 else left[0]]}}
        return serving(1)

    monkeypatch.setattr(restart_facts, "_ask", ask)

    async def story() -> tuple[Room, float]:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        found, _ = await restart_facts._told_room(cast(Cluster, None), ["shop"])
        return found, loop.time() - began_s

    return run(story())


def test_what_has_ended_meanwhile_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    found, after_s = told(monkeypatch, [OLD, OLD, NOW])
    assert found.surge
    assert 0 < after_s < SETTLES_S


def test_what_stays_takes_room_after_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    found, after_s = told(monkeypatch, [OLD])
    assert not found.surge
    assert after_s >= SETTLES_S


@pytest.mark.parametrize("first", [NOW, FULL])
def test_where_there_is_room_or_replicas_alone_leave_none_nothing_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, first: dict[str, Any]
) -> None:
    found, after_s = told(monkeypatch, [first])
    assert bool(found.surge) == (first is NOW)
    assert after_s == 0
