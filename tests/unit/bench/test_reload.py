"""The suite of saves: what is saved, what is made of it, and what is required."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from bench import commands, reload, render, suite
from bench.openloop.records import Outcome, Request
from bench.openloop.report import Report
from bench.records import Line
from bench.reloads.code import HEAVY_CODE, PLAIN_TESTS, PLUGIN_TESTS, TEN_CODE, TRIVIAL_CODE, Code
from bench.reloads.tools import DEV
from bench.reloads.trial import growth, values
from bench.scenarios import Suite

from tests.unit.bench.samples import report, sample


@pytest.mark.parametrize("code", [TRIVIAL_CODE, HEAVY_CODE, TEN_CODE], ids=lambda code: code.name)
def test_a_save_changes_the_version_and_nothing_else(code: Code, tmp_path: Path) -> None:
    code.write(tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    for name, text in before.items():
        if name.endswith(".py"):
            ast.parse(text)
    assert 'VERSION = "1"' in before[code.saved]
    code.save(tmp_path, "2")
    after = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {code.saved}
    assert after[code.saved] == before[code.saved].replace('"1"', '"2"')
    code.save(tmp_path, "3", broken=True)
    with pytest.raises(SyntaxError):
        ast.parse((tmp_path / code.saved).read_text())


@pytest.mark.parametrize("text", [PLAIN_TESTS, PLUGIN_TESTS])
def test_the_tests_are_python(text: str) -> None:
    ast.parse(text)


def test_every_tool_meets_every_application_that_it_can_run() -> None:
    names = set(reload.SUITE.names)
    for what in ("trivial", "heavy", "mistake"):
        assert {f"dev-{what}", f"serve-run-{what}", f"uvicorn-{what}"} <= names
    assert {"dev-ten", "serve-run-ten", "dev-many", "pytest-plain", "pytest-dev"} <= names
    assert {goal.scenario for goal in reload.GOALS} <= names
    assert {scenario.baseline for scenario in reload.SUITE.scenarios} <= names


def test_a_trial_is_told_in_medians_and_counts() -> None:
    asked = [Request("short", at, at, at + 0.01, Outcome.OK, version="1") for at in (1.0, 2.0)]
    lost = replace(asked[0], outcome=Outcome.REFUSED)
    saves = [
        {"answered": 0.5, "replaced": 0.6, "told": 1.5, "deployments": 1.0},
        {"answered": 0.7, "replaced": 0.7, "deployments": 1.0},
        {"answered": 0.9, "replaced": 1.8, "deployments": 10.0},
    ]
    found = values(saves, Report((*asked, lost)))
    assert (found["new_code_s"], found["replaced_s"], found["told_s"]) == (0.7, 0.7, 1.5)
    assert (found["deployments_count"], found["requests_count"], found["failed_count"]) == (1.0, 3, 1)
    assert "told_s" not in values(saves[1:], Report(tuple(asked)))


def test_beside_other_work_there_is_every_row_and_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Suite, Sequence[str]]] = []

    def run(made: Suite, arguments: Sequence[str]) -> int:
        given.append((made, arguments))
        return 0

    monkeypatch.setattr(suite, "main", run)
    reload.main(["--busy", "--only", "dev-ten"])
    few, arguments = given.pop()
    assert few.names == reload.SUITE.names
    assert arguments == ["--busy", "--only", "dev-ten"]
    reload.main([])
    assert given == [(reload.SUITE, [])]


def test_an_application_runs_in_the_environment_that_has_its_modules(tmp_path: Path) -> None:
    assert HEAVY_CODE.programs != TRIVIAL_CODE.programs == commands.BIN
    assert TRIVIAL_CODE.missing() is None
    absent = replace(HEAVY_CODE, programs=tmp_path).missing()
    assert absent is not None
    assert "setup-bench" in absent
    unknown = replace(HEAVY_CODE, programs=commands.BIN, modules=("no_such_module",)).missing()
    assert unknown is not None
    assert "no_such_module" in unknown


def test_growth_is_told_from_the_first_part_to_the_last() -> None:
    held = [{"memory": 100.0 + number, "processes": 7.0} for number in range(9)]
    assert growth(held) == {"memory_growth_bytes": 6.0, "processes_growth_count": 0.0}
    assert growth(held[:1]) == {}


def test_what_dev_says_is_counted() -> None:
    assert DEV.told
    assert DEV.told('{"event": "reloaded", "files": []}\n{"event": "nothing"}\n{"event": "reloaded"}\n') == 2


def test_the_table_has_a_row_for_each() -> None:
    lines = (Line("dev-trivial", "dev", "dev-trivial"), Line("pytest-dev", "tests", "x"), Line("no", "no", "no"))
    lines = (*lines[:2], replace(lines[2], skipped="no pandas"))
    first = replace(sample("dev-trivial", 1, 1), values={"new_code_s": 0.7, "failed_count": 0, "requests_count": 400})
    second = replace(sample("pytest-dev", 1, 1), values={"tests_s": 12.0})
    rows = render.reload(replace(report(first, second), lines=lines)).splitlines()[2:5]
    assert rows[0].startswith("| dev | 0.70 s | - | - | - | 0 of 400 | - |")
    assert rows[1].startswith("| tests | 12.0 s | - | - | - | - | - |")
    assert rows[2].startswith("| no | skipped: no pandas |")
