"""Serve's waits in a cluster that `dev` has started."""

from __future__ import annotations

from pathlib import Path

from daybreak.extras.dev.pace import PACE, SPARES, with_pace
from daybreak.extras.dev.room import with_room
from daybreak.extras.dev.stops import with_stops
from daybreak.spec.load import load_text

SPEC = """
head: {env: {MINE: '1', RAY_SERVE_CONTROL_LOOP_INTERVAL_S: '0.5'}}
workers: {count: 2, env: {MINE: '2'}}
"""


def test_every_node_waits_less_and_what_the_spec_says_counts(tmp_path: Path) -> None:
    spec = with_pace(load_text(SPEC, "daybreak.yaml", tmp_path)).spec
    assert spec.head.env == {**PACE, **SPARES, "MINE": "1", "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5"}
    assert spec.workers.env == {**PACE, **SPARES, "MINE": "2"}
    assert spec.serve.haproxy is False


def test_haproxy_stays_where_the_spec_has_it(tmp_path: Path) -> None:
    spec = with_pace(load_text(SPEC + "serve: {haproxy: true}", "daybreak.yaml", tmp_path)).spec
    assert spec.serve.haproxy is True


def test_what_was_given_goes_with_all_that_is_added(tmp_path: Path) -> None:
    given = load_text(SPEC, "daybreak.yaml", tmp_path)
    added = with_stops(with_pace(with_room(given)), tmp_path / "stops", debug=True)
    assert added.given == given.spec
    assert added.to_json()["given"] == given.to_json()["spec"]
    assert given.to_json()["given"] is None
