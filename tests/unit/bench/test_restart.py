"""The events of the suite, what is made of a run's requests, what is skipped, and the table."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from bench import render, restart, suite
from bench.openloop.records import Outcome, Request
from bench.openloop.report import Report
from bench.records import Goal, Limit, Line
from bench.restarts import events, trial
from bench.restarts.code import COMPOSE_FILE, COMPOSE_SERVE_CONFIG, SERVE_CONFIG, Change, write
from bench.restarts.events import EVENTS, SCALE, STOCK_DEPLOY
from bench.results import load, save
from bench.scenarios import Scenario, Suite

from tests.unit.bench.samples import report, sample


def asked(due_s: float, latency_s: float = 0.01, outcome: Outcome = Outcome.OK, version: str | None = "1") -> Request:
    return Request("short", due_s, due_s, due_s + latency_s, outcome, version=version)


BEFORE = Report(tuple(asked(float(number)) for number in range(5)))


def test_every_way_meets_good_and_bad_code() -> None:
    names = {event.name for event in EVENTS}
    for way in ("redeploy", "replace", "in-place"):
        assert {way, f"{way}-no-import", f"{way}-unhealthy"} <= names
    assert {"canary-bad", "rollback", "rollback-kept", "scale", "stock-restart", "stock-deploy", "compose-up"} <= names
    assert len(names) == len(EVENTS)


def test_no_event_of_daybreak_may_lose_a_request() -> None:
    required = {goal.scenario for goal in restart.GOALS if goal.measure == "failed_count" and goal.required == 0}
    assert required == {event.name for event in EVENTS if not event.name.startswith(("stock", "compose"))}
    assert {goal.limit for goal in restart.GOALS if goal.measure == "failed_count"} == {Limit.WORST}


def test_each_run_is_told_in_counts_and_delays() -> None:
    during = Report(
        (
            asked(10.0, 0.5),
            asked(11.0, outcome=Outcome.REFUSED),
            asked(12.0, outcome=Outcome.NOT_FOUND),
            asked(13.0, outcome=Outcome.CLOSED),
            asked(14.0, 0.25, version="2"),
        )
    )
    found = trial.values(BEFORE, during, 10.0, 12.5, Change.NEW)
    assert found["requests_count"] == 5
    assert found["failed_count"] == 2
    assert (found["refused_count"], found["not_found_count"], found["closed_count"], found["cut_count"]) == (1, 1, 1, 0)
    assert found["new_code_s"] == pytest.approx(4.25)
    assert found["silence_s"] == 4.0
    assert found["slowest_s"] == 0.5
    assert (found["p50_before_ms"], found["p99_during_ms"]) == (10.0, 500.0)
    assert found["p99_ratio"] == pytest.approx(50.0)
    assert found["held_ratio"] == pytest.approx(0.2)


@pytest.mark.parametrize("change", [Change.NONE, Change.DOES_NOT_IMPORT, Change.NEVER_HEALTHY])
def test_where_no_new_code_comes_none_is_waited_for(change: Change) -> None:
    found = trial.values(BEFORE, Report((asked(10.0),)), 10.0, 12.0, change)
    assert "new_code_s" not in found
    assert change.after == change.before == "1"


def test_going_back_is_the_old_version_after_the_new_one() -> None:
    assert (Change.BACK.before, Change.BACK.after) == ("2", "1")
    found = trial.values(BEFORE, Report((asked(10.0, version="2"), asked(11.0))), 10.0, 12.0, Change.BACK)
    assert found["new_code_s"] == pytest.approx(1.01)


def test_the_folder_has_what_both_sides_start_from(tmp_path: Path) -> None:
    write(tmp_path, "1")
    first = yaml.safe_load((tmp_path / SERVE_CONFIG).read_text())
    write(tmp_path, "2", Change.DOES_NOT_IMPORT)
    second = yaml.safe_load((tmp_path / SERVE_CONFIG).read_text())
    assert first["applications"][0]["import_path"] == "loaded:main"
    assert first != second, "`serve deploy` sees no change"
    assert yaml.safe_load((tmp_path / "daybreak.yaml").read_text())["serve"]["applications"]
    composed = yaml.safe_load((tmp_path / COMPOSE_FILE).read_text())["services"]
    assert {service["environment"]["CODE_VERSION"] for service in composed.values()} == {"2"}
    assert composed["serve"]["command"][-1] == COMPOSE_SERVE_CONFIG
    text = (tmp_path / "loaded.py").read_text()
    assert 'VERSION = "2"' in text
    assert isinstance(ast.parse(text).body[-1], ast.Raise)
    assert STOCK_DEPLOY.commands[0][-1] == SERVE_CONFIG


def test_what_this_daybreak_does_not_know_is_skipped_with_the_reason() -> None:
    assert events.unknown("restart", "--in-place") is None
    assert events.unknown("restart", "--in-place-") == "`daybreak restart` does not know `--in-place-`"
    assert events.unknown("restart", "--in") == "`daybreak restart` does not know `--in`"
    assert events.unknown("levitate") == "this daybreak has no command `levitate`"
    assert SCALE.skipped() is None
    assert replace(SCALE, needs=(("scale", "--workers-to-the-moon"),)).skipped()


def test_a_skipped_scenario_is_not_run_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def run_once(scenario: Scenario, workers: int, number: int, *, idle: bool) -> object:
        assert idle
        ran.append(scenario.name)
        return sample(scenario.name, 1.0)

    monkeypatch.setattr(suite, "run_once", run_once)
    monkeypatch.setattr(suite, "require_quiet", lambda ports: None)
    monkeypatch.setattr(suite, "wait_until_quiet", lambda ports: None)
    monkeypatch.setattr(suite, "_missing", lambda suite: [])
    known = restart.SUITE.scenario("scale")
    skipped = replace(known, name="other", baseline="other", skipped=lambda: "there is none")
    out = tmp_path / "out.json"
    assert suite.main(Suite("restart", (known, skipped), ()), ["--rounds", "2", "--out", str(out)]) == 0
    assert ran == ["scale", "scale"]
    assert "skipped other: there is none" in capsys.readouterr().err
    assert {line.name: line.skipped for line in load(out).lines} == {"scale": None, "other": "there is none"}


LINES = (Line("redeploy", "restart", "redeploy"), Line("replace", "another", "replace", skipped="it has no such way"))
GOALS = (
    Goal("restart: failed", "redeploy", "failed_count", 0, limit=Limit.WORST),
    Goal("restart: new code", "redeploy", "new_code_s", 2.5, limit=Limit.MEDIAN),
    Goal("another: failed", "replace", "failed_count", 0, limit=Limit.WORST),
)


def runs(*failed: int) -> list[dict[str, float]]:
    return [
        {"requests_count": 4000.0, "failed_count": float(count), "cut_count": float(count), "new_code_s": 2.0 + count}
        for count in failed
    ]


def test_the_table_has_a_row_per_event_and_says_what_was_skipped() -> None:
    samples = [sample("redeploy", None, values=values) for values in runs(0, 3, 0)]
    found = replace(report(*samples), lines=LINES)
    rows = render.restart(found).splitlines()
    assert rows[2].startswith("| restart | 3 of 12,000 | cut 3 | 2.0 s | - | - |")
    assert rows[3].startswith("| another | skipped: it has no such way |")
    assert len({row.count("|") for row in rows[:4]}) == 1


def test_one_run_that_lost_a_request_is_enough_to_miss_the_goal(tmp_path: Path) -> None:
    samples = [sample("redeploy", None, values=values) for values in runs(0, 1, 0)]
    found = replace(report(*samples), lines=LINES, goals=GOALS)
    save(found, tmp_path / "restart.json")
    verdicts = load(tmp_path / "restart.json").verdicts()
    assert [verdict.met for verdict in verdicts] == [False, True, None]
    rows = render.goals([found]).splitlines()
    assert rows[2] == "| restart: failed | at most 0 | 1 | not met |"
    assert rows[3] == "| restart: new code | at most 2.5 s | 2.0 s | met |"
    assert rows[4] == "| another: failed | at most 0 | - | not measured |"


def test_a_load_that_came_late_is_told() -> None:
    found = report(replace(sample("stock", 1.0), details={"latest_start_s": 0.75}))
    assert any("up to 0.75 s late" in warning for warning in found.warnings())


def test_the_plot_of_factors_has_no_place_for_limits() -> None:
    plots = pytest.importorskip("bench.plots", exc_type=ImportError)
    samples = [sample("redeploy", None, values=values) for values in runs(0, 1)]
    assert plots.factors(replace(report(*samples), lines=LINES, goals=GOALS).verdicts()) == []


def test_a_receipt_is_known_among_all_that_a_command_prints() -> None:
    lines = [
        "page  http://127.0.0.1:8080/",
        "restart (redeploy) 3.1 s, 12,304 requests, 0 failed, slowest 38 ms, held 0",
    ]
    assert [bool(trial.RECEIPT.search(line)) for line in lines] == [False, True]
