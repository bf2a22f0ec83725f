"""Serve's waits in a cluster that `dev` has started."""

from __future__ import annotations

from pathlib import Path

from daybreak.extras.dev.pace import PACE, SPARES, with_pace
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
