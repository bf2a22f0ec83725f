"""CPUs that the spec leaves to the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.base import Handle
from daybreak.errors import SpecError
from daybreak.keeper.control.request import Request
from daybreak.keeper.planning.intent import intent
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.services.ray.addresses import nodes_of
from daybreak.services.ray.cpus import is_alone, notes, settled, sharing, whole_cpus
from daybreak.spec import load_spec
from daybreak.spec.model import Spec


def spec(**changes: Any) -> Spec:
    return Spec.model_validate({"name": "shop", **changes})


def offered(wanted: Spec, cpus: int) -> list[int]:
    made = settled(wanted, cpus, alone=is_alone(wanted), among=sharing(wanted))
    return [whole_cpus(node) for node in nodes_of(made).values()]


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ({"workers": {"count": 0}}, [8]),
        ({"head": {"cpus": 2}, "workers": {"count": 0}}, [2]),
        ({"workers": {"count": 2}}, [1, 1, 1]),
        ({"workers": {"count": 1, "cpus": "all"}}, [1, 8]),
        ({"head": {"cpus": "share"}, "workers": {"count": 2, "cpus": "share"}}, [2, 2, 2]),
        ({"head": {"cpus": 0}, "workers": {"groups": {"a": {"cpus": "share"}, "b": {"cpus": "share"}}}}, [0, 4, 4]),
        ({"workers": {"count": 20, "cpus": "share"}}, [1] * 21),
    ],
)
def test_what_nodes_offer_on_a_machine_with_eight(given: dict[str, Any], numbers: list[int]) -> None:
    assert offered(spec(**given), 8) == numbers


def state_after(before: WantedState | None, wanted: Spec, observed: list[Handle]) -> WantedState:
    state = before.with_changes(spec=wanted) if before else WantedState(wanted, "/")
    return intent(Request("apply"), state, observed).state


RUNS = [Handle("head", "app", "head", "", 1, 1, "", 0.0)]


def test_a_worker_more_or_less_leaves_the_nodes_that_run_as_they_were_started() -> None:
    alone = state_after(None, spec(workers={"count": 0}), [])
    assert alone.alone
    assert state_after(alone, spec(workers={"count": 2}), RUNS).alone
    several = state_after(None, spec(workers={"count": 2, "cpus": "share"}), [])
    assert (several.alone, several.sharing) == (False, 2)
    scaled = state_after(several, spec(workers={"count": 0, "cpus": "share"}), RUNS)
    assert (scaled.alone, scaled.sharing) == (False, 2)
    assert WantedState.from_json(scaled.to_json()) == scaled
    assert state_after(scaled, spec(workers={"count": 0}), []).alone


def test_the_default_of_several_nodes_is_told_where_the_machine_has_more() -> None:
    told = "".join(notes(spec(workers={"count": 1}), 8))
    assert told.startswith("2 nodes x 1 CPU of this machine's 8: `cpus: share`")
    for given, cpus in (({"workers": {"count": 1}}, 2), ({"workers": {"count": 0}}, 8), ({"head": {"cpus": 1}}, 8)):
        assert list(notes(spec(**given), cpus)) == []


def test_other_words_are_refused_with_those_that_are_known(tmp_path: Path) -> None:
    file = tmp_path / "daybreak.yaml"
    file.write_text("name: shop\nhead: {cpus: most}\n")
    with pytest.raises(SpecError) as raised:
        load_spec(file)
    assert "all or share" in str(raised.value.problems[0])
    file.write_text("name: shop\nhead: {cpus: all}\nworkers: {cpus: share}\n")
    assert load_spec(file).spec.head.cpus == "all"
