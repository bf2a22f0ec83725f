"""How many workers a request means."""

from __future__ import annotations

from typing import Any

import pytest

from daybreak.errors import UsageError
from daybreak.keeper.control.request import Request
from daybreak.keeper.planning.intent import wanted_by
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.spec.groups import by_group
from daybreak.spec.model import Spec


def spec(**groups: int) -> Spec:
    workers = {"groups": {name: {"count": count} for name, count in groups.items()}}
    return Spec.model_validate({"name": "shop", "workers": workers if groups else {}})


def after(before: WantedState | None, **fields: Any) -> WantedState:
    return wanted_by(Request("apply", base="/", **fields), before)


def counts(state: WantedState) -> dict[str, int]:
    return {name: group.count for name, group in by_group(state.spec.workers).items()}


def test_scaling_one_group_leaves_the_others_as_they_are() -> None:
    first = after(None, spec=spec(gpu=1, cpu=2))
    second = after(after(first, workers={"gpu": 3}), workers={"cpu": 0})
    assert counts(second) == {"gpu": 3, "cpu": 0}
    assert second.workers == {"gpu": 3, "cpu": 0}
    assert WantedState.from_json(second.to_json()) == second


def test_a_restart_keeps_the_numbers_and_an_up_does_not() -> None:
    scaled = after(after(None, spec=spec(gpu=1, cpu=2)), workers={"gpu": 3})
    again = after(scaled, spec=spec(gpu=1, cpu=2), restart=True, keep_workers=True)
    assert counts(again) == {"gpu": 3, "cpu": 2}
    assert counts(after(again, spec=spec(gpu=1, cpu=2))) == {"gpu": 1, "cpu": 2}


def test_numbers_of_groups_that_are_gone_do_not_stop_a_restart() -> None:
    scaled = after(after(None, spec=spec(gpu=1)), workers={"gpu": 3})
    assert counts(after(scaled, spec=spec(cpu=2), restart=True, keep_workers=True)) == {"cpu": 2}
    plain = after(after(None, spec=spec()), workers=3)
    assert counts(after(plain, spec=spec(gpu=1, cpu=2), restart=True, keep_workers=True)) == {"gpu": 1, "cpu": 2}


def test_one_number_for_several_groups_is_refused_with_what_to_write() -> None:
    with pytest.raises(UsageError, match="write gpu=1 cpu=2"):
        after(after(None, spec=spec(gpu=1, cpu=2)), workers=3)


def test_what_dev_adds_counts_until_an_up_and_the_numbers_of_workers_in_both() -> None:
    """What is laid over what is stored begins with what was given."""
    given = spec(gpu=1)
    devs = given.model_copy(update={"head": given.head.model_copy(update={"cpus": 4.0})})
    first = after(None, spec=devs, given=given, changed_only=True)
    assert WantedState.from_json(first.to_json()) == first
    scaled = after(first, workers={"gpu": 3}, only_running=True)
    restarted = after(scaled, restart=True, keep_workers=True)
    for state in (scaled, restarted):
        assert state.given
        assert state.spec.head.cpus == 4.0
        assert counts(state) == {name: group.count for name, group in by_group(state.given.workers).items()}
        assert counts(state) == {"gpu": 3}
    up = after(restarted)
    assert up.given is None
    assert up.spec.head.cpus is None
    assert after(first, spec=given).given is None
