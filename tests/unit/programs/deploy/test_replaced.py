"""When new replicas have taken the place of the old ones, which may still be ending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daybreak.programs.deploy import replaced


def app(*replicas: str, target: int = 1) -> dict[str, Any]:
    rows = [{"replica_id": text.split()[0], "state": text.split()[1]} for text in replicas]
    return {"deployments": {"App": {"target_num_replicas": target, "replicas": rows}}}


@pytest.mark.parametrize(
    ("replicas", "target", "done"),
    [
        (["a RUNNING"], 1, False),
        (["a RUNNING", "b STARTING"], 1, False),
        (["a RUNNING", "b RUNNING"], 1, False),
        (["a STOPPING", "b RUNNING"], 1, True),
        (["b RUNNING"], 1, True),
        (["a STOPPING", "b RUNNING"], 2, False),
        (["a STOPPING", "b RUNNING", "c RUNNING"], 2, True),
    ],
)
def test_it_is_done_when_enough_new_ones_run_and_no_old_one_is_asked(
    replicas: list[str], target: int, done: bool
) -> None:
    assert replaced.taken_over(app(*replicas, target=target), {"a"}) is done


def test_what_keeps_its_replicas_is_not_waited_for() -> None:
    both = {"deployments": {**app("b RUNNING")["deployments"], "Kept": app("a RUNNING")["deployments"]["App"]}}
    assert not replaced.taken_over(both, {"a"})
    assert replaced.taken_over(both, {"a"}, {"Kept"})


def test_an_answer_of_another_shape_is_no_end() -> None:
    assert not replaced.taken_over({"deployments": {"App": {}}}, {"a"})


def test_an_application_that_is_still_built_has_no_deployments() -> None:
    assert not replaced.taken_over({"deployments": {}}, {"a"})


def test_behind_haproxy_it_is_done_when_that_can_know_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [100.0], [app("a RUNNING")]
    monkeypatch.setattr(replaced, "request", lambda *_: json.dumps({"applications": {"shop": told[0]}}).encode())
    monkeypatch.setattr(replaced, "monotonic", lambda: now[0])
    (tmp_path / "way.json").write_text('{"surge": 100}')
    job = {"way_file": str(tmp_path / "way.json"), "dashboard": "", "token_file": None, "least_drain_s": 2.0}
    replacement = replaced.Replacement(job)
    now[0] += 5.0
    assert not replacement.done("shop")
    told[0] = app("a STOPPING", "b RUNNING")
    assert not replacement.done("shop")
    now[0] += 2.0
    assert replacement.done("shop")
    assert not replacement.done("other")


def test_where_nothing_surges_serves_own_word_counts() -> None:
    assert not replaced.Replacement({"dashboard": "", "token_file": None}).done("shop")
