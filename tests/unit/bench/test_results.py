"""Medians, ratios, failed runs and warnings, from hand-made samples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from bench.records import Goal, Summary
from bench.render import startup
from bench.results import Report, load, rotated, save

from tests.unit.bench.samples import failed, report, sample, whole


def summary_of(found: Report, scenario: str, measure: str = "first_200_s") -> Summary:
    return next(s for s in found.summaries() if s.scenario == scenario and s.measure == measure)


def test_median_and_range() -> None:
    found = summary_of(whole(), "stock")
    assert (found.median, found.min, found.max, found.runs, found.failed) == (28.0, 27.0, 30.0, 3, 0)


def test_each_measure_has_its_own_summary() -> None:
    assert summary_of(whole(), "daybreak", "all_nodes_s").median == 10.0


def test_a_start_is_compared_with_stock_and_a_restart_with_its_restart() -> None:
    found = whole()
    assert summary_of(found, "stock").factor == 1.0
    assert summary_of(found, "daybreak").factor == 4.0
    assert summary_of(found, "daybreak", "all_nodes_s").factor == 2.2
    assert summary_of(found, "daybreak-restart").factor == 5.0


def test_failed_runs_are_counted_but_in_no_median() -> None:
    late = sample("stock", 180.0, error="the deadline passed")
    found = summary_of(report(sample("stock", 20.0), late, failed("stock"), sample("stock", 30.0)), "stock")
    assert (found.median, found.max, found.runs, found.failed) == (25.0, 30.0, 4, 2)


def test_without_a_good_run_there_is_no_median_and_no_ratio() -> None:
    found = report(failed("stock"), sample("daybreak", 7.0))
    assert summary_of(found, "stock").median is None
    assert summary_of(found, "stock").factor is None
    assert summary_of(found, "daybreak").factor is None


def test_a_measure_that_was_not_taken_is_absent() -> None:
    found = summary_of(whole(), "stock-restart", "all_nodes_s")
    assert (found.median, found.min, found.factor) == (None, None, None)


def test_goals_are_held_against_what_was_measured() -> None:
    goals = (
        Goal("start", "daybreak", "first_200_s", 6.0),
        Goal("share", "daybreak", "all_nodes_s", 0.5, share=True),
        Goal("never", "daybreak", "cpu_s", 0.4, share=True),
    )
    found = replace(whole(), goals=goals).verdicts()
    assert [(verdict.measured, verdict.met) for verdict in found] == [(4.0, False), (0.455, True), (None, None)]


def test_only_scenarios_that_ran_are_summarised() -> None:
    found = report(sample("daybreak", 7.0)).summaries()
    assert {s.scenario for s in found} == {"daybreak"}


def test_a_quiet_and_even_bench_has_no_warnings() -> None:
    assert whole().warnings() == []


def test_warns_of_busy_processors_before_a_run() -> None:
    busy = sample("stock", 28.0, round=2, cpu_busy=0.4, load_1min=1.2)
    assert any(
        "stock in round 2 the processors were 40% busy" in w for w in report(sample("stock", 28.0), busy).warnings()
    )


def test_a_load_that_has_passed_is_no_doubt() -> None:
    assert report(*(sample("stock", 28.0, load_1min=3.5, cpu_busy=0.02) for _ in range(3))).warnings() == []


def test_the_machines_own_speed_stands_beside_the_numbers() -> None:
    found = report(*(sample("stock", 28.0, loop_s=took_s) for took_s in (0.051, 0.049, 0.06)))
    assert "A fixed loop of Python took 51 ms before the runs (49 to 60)." in startup(found)
    assert "fixed loop" not in startup(whole())


def test_warns_of_failed_few_and_scattered_runs() -> None:
    warnings = "\n".join(report(failed("stock"), sample("stock", 20.0), sample("stock", 40.0)).warnings())
    assert "1 of 3 runs of stock failed" in warnings
    assert "fewer than 3 good runs" in warnings
    assert "between 20.0 and 40.0 s" in warnings


def test_what_was_saved_reads_back_equal_and_keeps_the_raw_samples(tmp_path: Path) -> None:
    path = tmp_path / "results" / "startup.json"
    made = report(sample("stock", 28.0, 22.0, commands=[{"command": "ray start --head"}]), failed("stock"))
    save(made, path)
    assert load(path) == made
    raw = json.loads(path.read_text())
    assert [s["ok"] for s in raw["samples"]] == [True, False]
    assert raw["summaries"][0]["median"] == 28.0
    assert raw["warnings"]
    assert [file.name for file in path.parent.iterdir()] == ["startup.json"]


@pytest.mark.parametrize(("index", "order"), [(0, "abc"), (1, "bca"), (2, "cab"), (3, "abc")])
def test_every_round_begins_with_another_scenario(index: int, order: str) -> None:
    assert "".join(rotated("abc", index)) == order


def test_a_round_of_nothing_is_empty() -> None:
    assert rotated([], 2) == []
