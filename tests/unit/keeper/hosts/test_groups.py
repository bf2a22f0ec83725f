"""What workers on a host are, where the spec has groups of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import UsageError
from daybreak.keeper.hosts.offer import Offer
from tests.unit.keeper.hosts.two import First, Other

pytestmark = pytest.mark.usefixtures("killed_tasks_are_gone")
GPU = {"gpus": 1, "env": {"B": "2"}, "labels": {"kind": "big"}}
WORKERS = {"cpus": 2, "env": {"A": "1", "B": "1"}, "groups": {"gpu": GPU, "plain": {}}}
OFFER = Offer("shop", "10.0.0.5:6380", "2.60.0", "3.11", {"workers": WORKERS})


@pytest.mark.parametrize(
    ("own", "workers"),
    [
        ({"count": 1}, {"cpus": 2, "env": {"A": "1", "B": "1"}, "count": 1}),
        ({"group": "plain", "cpus": 8}, {"cpus": 8, "env": {"A": "1", "B": "1"}, "labels": {"group": "plain"}}),
        (
            {"group": "gpu"},
            {"cpus": 2, "gpus": 1, "env": {"A": "1", "B": "2"}, "labels": {"group": "gpu", "kind": "big"}},
        ),
        (
            {"group": "gpu", "labels": {"kind": "own"}, "gpus": [3]},
            {"cpus": 2, "gpus": [3], "env": {"A": "1", "B": "2"}, "labels": {"group": "gpu", "kind": "own"}},
        ),
        # Nobody has it any more.
        ({"group": "gone"}, {"cpus": 2, "env": {"A": "1", "B": "1"}, "labels": {"group": "gone"}}),
    ],
)
def test_they_are_as_their_group_says(own: dict[str, Any], workers: dict[str, Any]) -> None:
    assert OFFER.workers(own) == workers


def test_a_group_that_the_cluster_does_not_have_is_refused_and_the_token_counts_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        first, other = First(tmp_path / "first", monkeypatch), Other(tmp_path / "other")
        await first.begin_serving(workers={"groups": {"gpu": {"count": 1}}})
        invited = await first.invited()
        with pytest.raises(UsageError, match="no group cpu") as refused:
            await other.join(*invited, own={"count": 1, "group": "cpu"})
        assert refused.value.hint == "groups: gpu"
        await other.join(*invited, own={"count": 1, "group": "gpu"})
        member = other.folder.load()
        assert member
        assert member.own == {"count": 1, "group": "gpu"}
        first.keeper.parts.followers.desired.cluster = None
        await first.hosting.close()
        first.keeper.close()

    asyncio.run(story())
