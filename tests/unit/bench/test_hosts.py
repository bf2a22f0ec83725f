"""The suite of several machines: what it compares, what their spec and code are, and its table."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

from bench import hosts, render
from bench.machines.network import FIRST, Far
from bench.machines.trials import _on_each, by_ssh
from bench.records import Line

from daybreak.spec.model import Spec
from tests.unit.bench.samples import report, sample


def test_goals_and_baselines_are_of_the_suite() -> None:
    names = set(hosts.SUITE.names)
    assert {goal.scenario for goal in hosts.GOALS} <= names
    assert {scenario.baseline for scenario in hosts.SUITE.scenarios} <= names


def test_each_node_has_a_replica() -> None:
    text = _on_each(3, "2")
    ast.parse(text)
    assert "num_replicas=4, max_replicas_per_node=1" in text
    assert 'VERSION = "2"' in text


def test_the_spec_names_the_machines(tmp_path: Path) -> None:
    fars = [Far(tmp_path, 1), Far(tmp_path, 2)]
    spec = Spec.model_validate({"name": "a", "address": FIRST, "hosts": by_ssh(fars)})
    assert [host.called for host in spec.hosts] == ["m1", "m2"]
    assert [far.address for far in fars] == ["10.98.0.2", "10.98.0.3"]
    words = fars[0].words("daybreak", "status")
    assert words[1:4] == ("netns", "exec", "dbbench1")
    assert f"DAYBREAK_HOME={tmp_path}/m1/state" in words
    assert words[-1] == "status"


def test_a_row_has_what_was_measured() -> None:
    lines = (
        Line("join", "joins", "join"),
        Line("lost", "is lost", "lost"),
        Line("no", "none", "no", skipped="no root"),
    )
    first = sample("join", None, values={"join_s": 1.5, "further_s": 0.4})
    second = sample("lost", None, values={"requests_count": 100, "failed_count": 1, "moved_s": 3.0, "slowest_s": 4.0})
    rows = render.hosts(replace(report(first, second), lines=lines)).splitlines()[2:5]
    assert rows[0].startswith("| joins | 1.5 s | 0.40 s | - | - | - | - | - |")
    assert rows[1].startswith("| is lost | - | - | - | - | 1 of 100 | 3.0 s | 4.0 s |")
    assert rows[2].startswith("| none | skipped: no root |")
