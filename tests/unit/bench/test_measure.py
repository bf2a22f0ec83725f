"""What counts as an answer and as a living node; the scenarios' names; the commands' environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench import containers, scale, startup, work
from bench.commands import environment
from bench.measure import alive_nodes, pid_of
from bench.scenarios import Suite
from bench.systems import agent_ports


def nodes(*states: str) -> dict[str, Any]:
    return {"result": True, "data": {"result": {"result": [{"state": state} for state in states]}}}


def test_only_living_nodes_count() -> None:
    assert alive_nodes(nodes("ALIVE", "DEAD", "ALIVE")) == 2


@pytest.mark.parametrize(
    "answer",
    [None, [], "x", {}, {"data": None}, {"data": {"result": 1}}, {"data": {"result": {"result": [None, {}, [1]]}}}],
)
def test_any_other_shape_counts_no_node(answer: Any) -> None:
    assert alive_nodes(answer) == 0


@pytest.mark.parametrize(("answer", "pid"), [({"ok": True, "pid": 7}, 7), ({"pid": "7"}, None), ("Not Found", None)])
def test_only_the_application_has_a_pid(answer: Any, pid: int | None) -> None:
    assert pid_of(answer) == pid


@pytest.mark.parametrize(
    "suite", [startup.SUITE, work.SUITE, scale.SUITE, containers.SUITE], ids=lambda suite: suite.name
)
def test_every_baseline_is_a_scenario_and_its_own_baseline(suite: Suite) -> None:
    assert len(set(suite.names)) == len(suite.names)
    for scenario in suite.scenarios:
        baseline = suite.scenario(scenario.baseline)
        assert baseline.baseline == baseline.name
    named = {goal.scenario for goal in suite.goals} | {goal.against for goal in suite.goals if goal.against}
    assert named <= set(suite.names)


def test_no_two_nodes_share_an_agent_port() -> None:
    ports = [flag.rpartition("=")[2] for node in range(9) for flag in agent_ports(node)]
    assert len(ports) == len(set(ports))


def test_settings_of_the_shell_do_not_reach_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:6379")
    monkeypatch.setenv("DAYBREAK_HOME", "/elsewhere")
    env = environment(tmp_path)
    assert "RAY_ADDRESS" not in env
    assert env["RAY_USAGE_STATS_ENABLED"] == "0"
    assert env["DAYBREAK_HOME"] == str(tmp_path / "home")
    assert env["PYTHONPATH"].endswith("bench/app")
